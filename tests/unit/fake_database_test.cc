// What the fake database does beyond the conformance suite: transactions that stay open and overtake each other,
// answers that get lost, callers that die, writes that only a defect attempts.
#include "libs/common/testing/fake_database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/testing/fake_dispatch_store.h"
#include "libs/common/testing/fake_event_log.h"
#include "libs/common/testing/fake_instance_store.h"
#include "libs/common/testing/fake_job_store.h"
#include "tests/unit/base_process.h"

namespace renderyard::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Keeps every call for the test to step through.
class ManualLink final : public DatabaseLink {
 public:
  void call(std::shared_ptr<DatabaseCall> call) override { calls.push_back(std::move(call)); }
  std::vector<std::shared_ptr<DatabaseCall>> calls;
};

template <class T>
base::Task<absl::Status> keep(base::Task<absl::StatusOr<T>> task, std::optional<absl::StatusOr<T>>* out) {
  absl::StatusOr<T> value = co_await std::move(task);
  out->emplace(std::move(value));
  co_return absl::OkStatus();
}

class FakeDatabaseTest : public ::testing::Test {
 protected:
  template <class T>
  void start(base::Task<absl::StatusOr<T>> task, std::optional<absl::StatusOr<T>>* out) {
    one_.start(keep(std::move(task), out), &ended_);
    one_.settle();
  }

  template <class T>
  T now(base::Task<absl::StatusOr<T>> task) {
    std::optional<absl::StatusOr<T>> out;
    start(std::move(task), &out);
    return out.value().value();
  }

  ports::NewJob new_job() {
    ports::NewJob job;
    job.user = user_;
    job.uid = random_.uuid4();
    job.job_type = "image_generation";
    job.workflow = "{}";
    job.parameters_json = "{}";
    return job;
  }

  std::vector<std::int64_t> visible_events() {
    std::vector<std::int64_t> ids;
    for (const auto& [id, event] : database_.tables().events) ids.push_back(id);
    return ids;
  }

  base::SplitMix random_{1};
  FakeDatabase database_{[this] { return one_.world().now(); }, "6f1c1d52-3c0e-4b5e-9d3f-0d2a4f6b8c1e"};
  base::OneProcess one_;  // after the database: its coroutines may hold open transactions
  ports::UserId user_ = database_.add_user("anna", ports::Role::kUser, std::string(64, 'a'));
  ManualLink manual_;
  ImmediateLink immediate_;
  FakeJobStore slow_{one_.strand(), database_, manual_};
  FakeJobStore jobs_{one_.strand(), database_, immediate_};
  FakeDispatchStore dispatch_{one_.strand(), database_, immediate_};
  FakeInstanceStore instances_{one_.strand(), database_, immediate_};
  FakeEventLog log_{one_.strand(), database_, immediate_};
  std::optional<absl::Status> ended_;
};

TEST_F(FakeDatabaseTest, EventsBecomeVisibleOutOfOrder) {
  std::optional<absl::StatusOr<ports::SubmittedJob>> late;
  start(slow_.submit(new_job()), &late);
  ASSERT_EQ(manual_.calls.size(), 1u);
  EXPECT_EQ(manual_.calls[0]->name(), "submit");
  EXPECT_TRUE(manual_.calls[0]->writes());
  manual_.calls[0]->begin();
  const ports::SubmittedJob early = now(jobs_.submit(new_job()));
  EXPECT_THAT(visible_events(), ElementsAre(2));
  EXPECT_EQ(now(log_.last_issued_id()), 2);
  const std::uint64_t fresh = now(log_.fresh_transaction_id());
  EXPECT_LT(now(log_.oldest_running_transaction_id()), fresh) << "a tailer must wait";

  manual_.calls[0]->commit();
  EXPECT_THAT(visible_events(), ElementsAre(1, 2));
  EXPECT_GE(now(log_.oldest_running_transaction_id()), fresh);
  EXPECT_FALSE(late) << "the caller has not heard yet";
  manual_.calls[0]->reply(absl::OkStatus());
  one_.settle();
  ASSERT_TRUE(late && late->ok());
  EXPECT_LT((*late)->id, early.id) << "so do job ids";
}

TEST_F(FakeDatabaseTest, IdsRiseWithinAJobWhateverWasDrawn) {
  const ports::JobId id = now(jobs_.submit(new_job())).id;
  std::optional<absl::StatusOr<ports::CancelOutcome>> wish;
  start(slow_.request_cancel(id, user_), &wish);
  manual_.calls[0]->begin();  // draws 2
  const auto instance = now(instances_.add([] {
    ports::NewInstance wanted;
    wanted.name = "gpu-1";
    wanted.api_url = "http://gpu-1:8188";
    wanted.ws_url = "ws://gpu-1:8188";
    return wanted;
  }()));
  ports::Assignment assignment;
  assignment.job_id = id;
  assignment.instance_id = instance.id;
  assignment.client_prompt_id = random_.uuid4();
  ASSERT_EQ(now(dispatch_.claim({assignment}, "d")).size(), 1u);  // draws 3
  manual_.calls[0]->commit();
  EXPECT_THAT(visible_events(), ElementsAre(1, 3, 4)) << "2 is a hole: the row lock would have made the wish wait";
  EXPECT_EQ(database_.tables().events.at(4).seq, 3);
  EXPECT_TRUE(database_.tables().executions.begin()->second.row.cancel_requested_at)
      << "fences and copies are looked at when it takes effect";
}

TEST_F(FakeDatabaseTest, ACallThatIsDroppedIsRolledBack) {
  std::optional<absl::StatusOr<ports::SubmittedJob>> out;
  start(slow_.submit(new_job()), &out);
  manual_.calls[0]->begin();
  const std::uint64_t fresh = now(log_.fresh_transaction_id());
  EXPECT_LT(now(log_.oldest_running_transaction_id()), fresh);
  manual_.calls.clear();
  EXPECT_GE(now(log_.oldest_running_transaction_id()), fresh);
  EXPECT_TRUE(database_.tables().jobs.empty());
  now(jobs_.submit(new_job()));
  EXPECT_THAT(visible_events(), ElementsAre(2)) << "1 is a hole";
}

TEST_F(FakeDatabaseTest, TheServerMayEndATransaction) {
  std::optional<absl::StatusOr<ports::SubmittedJob>> out;
  start(slow_.submit(new_job()), &out);
  manual_.calls[0]->begin();
  const std::uint64_t fresh = now(log_.fresh_transaction_id());
  manual_.calls[0]->rollback();
  EXPECT_GE(now(log_.oldest_running_transaction_id()), fresh);
  manual_.calls[0]->commit();
  EXPECT_TRUE(database_.tables().jobs.empty());
  manual_.calls[0]->reply(absl::OkStatus());
  one_.settle();
  ASSERT_TRUE(out);
  EXPECT_TRUE(absl::IsUnavailable(out->status()));
}

TEST_F(FakeDatabaseTest, AnAnswerMayBeLostAfterTheCommit) {
  std::optional<absl::StatusOr<ports::SubmittedJob>> out;
  start(slow_.submit(new_job()), &out);
  manual_.calls[0]->commit();
  manual_.calls[0]->reply(absl::UnavailableError("the answer was lost"));
  one_.settle();
  ASSERT_TRUE(out);
  EXPECT_TRUE(absl::IsUnavailable(out->status()));
  EXPECT_EQ(database_.tables().jobs.size(), 1u);
}

TEST_F(FakeDatabaseTest, TheDatabaseMayBeAway) {
  std::optional<absl::StatusOr<ports::SubmittedJob>> out;
  start(slow_.submit(new_job()), &out);
  manual_.calls[0]->reply(absl::UnavailableError("away"));
  one_.settle();
  ASSERT_TRUE(out);
  EXPECT_TRUE(absl::IsUnavailable(out->status()));
  EXPECT_TRUE(database_.tables().jobs.empty());
}

TEST_F(FakeDatabaseTest, WhatADeadCallerAskedForStillHappens) {
  std::optional<absl::StatusOr<ports::SubmittedJob>> out;
  start(slow_.submit(new_job()), &out);
  one_.world().kill(one_.process());
  manual_.calls[0]->commit();
  manual_.calls[0]->reply(absl::OkStatus());
  EXPECT_EQ(database_.tables().jobs.size(), 1u);
  EXPECT_FALSE(out);
}

TEST_F(FakeDatabaseTest, AnErrorLeavesNothingBehind) {
  ports::NewJob job = new_job();
  job.name = std::string("a\0b", 3);
  std::optional<absl::StatusOr<ports::SubmittedJob>> out;
  start(jobs_.submit(job), &out);
  ASSERT_TRUE(out);
  EXPECT_TRUE(absl::IsInvalidArgument(out->status()));
  EXPECT_TRUE(database_.tables().jobs.empty());
  EXPECT_THAT(visible_events(), IsEmpty());
  EXPECT_THAT(database_.defects(), IsEmpty()) << "that is the user's mistake, not ours";
}

TEST_F(FakeDatabaseTest, IllegalEdgesAreDefects) {
  const ports::JobId id = now(jobs_.submit(new_job())).id;
  Transaction transaction(database_, Transaction::Kind::kWrites);
  JobRecord job = *database_.job(id);
  job.row.status = ports::JobStatus::kCancelled;
  job.row.completed_at = database_.now();
  EXPECT_TRUE(absl::IsInternal(transaction.put(job, domain::Owner::kGateway))) << "the gateway only wishes";
  EXPECT_EQ(database_.defects().size(), 1u);
  EXPECT_TRUE(transaction.put(job, domain::Owner::kDispatcher).ok());
  job.row.status = ports::JobStatus::kPending;
  job.row.completed_at.reset();
  EXPECT_TRUE(absl::IsInternal(transaction.put(job, domain::Owner::kDispatcher))) << "final states never change";
  job = *database_.job(id);
  job.row.completed_at.reset();
  EXPECT_TRUE(absl::IsInternal(transaction.put(job, domain::Owner::kDispatcher))) << "final <=> completed_at";
  EXPECT_EQ(database_.defects().size(), 3u);
  transaction.rollback();
  EXPECT_EQ(database_.job(id)->row.status, ports::JobStatus::kPending);
}

TEST_F(FakeDatabaseTest, LockedRowsArePassedOver) {
  const ports::JobId id = now(jobs_.submit(new_job())).id;
  ASSERT_EQ(now(jobs_.request_cancel(id, user_)), ports::CancelOutcome::kRecorded);
  database_.set_row_locked([](ports::JobId) { return true; });
  EXPECT_EQ(now(dispatch_.cancel_wished(10)), 0);
  database_.set_row_locked({});
  EXPECT_EQ(now(dispatch_.cancel_wished(10)), 1);
}

}  // namespace
}  // namespace renderyard::testing
