// Cases of a job's time limits, as far as the database keeps them.
#include <gmock/gmock.h>

#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::JobStatus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ports::JobError kWaited = {"limit_wait", "waited too long", {}, {}};

TEST_P(StoreSuite, AJobThatMayNotWaitAnyLongerFailsAndIsNotClaimed) {
  const ports::InstanceId instance = add_instance("gpu-1");
  connect(instance);
  ports::NewJob sent = new_job();
  sent.wait_limit = absl::Hours(1);
  const ports::JobId id = submit(sent);
  const ports::JobId patient = submit();
  EXPECT_EQ(must(dispatch().fail_waited(kWaited, 10)), 0) << "its hour is not over";
  EXPECT_EQ(must(dispatch().candidates(10)).size(), 2u);

  world().end_wait(id);
  ASSERT_EQ(must(dispatch().candidates(10)).size(), 1u);
  EXPECT_EQ(must(dispatch().candidates(10)).at(0).job_id, patient);
  std::vector<ports::Assignment> wanted{assignment(id, instance)};
  EXPECT_THAT(must(dispatch().claim(wanted, "dispatcher-1")), IsEmpty()) << "a claim that comes late";
  EXPECT_EQ(must(dispatch().fail_waited(kWaited, 10)), 1);
  EXPECT_EQ(must(dispatch().fail_waited(kWaited, 10)), 0) << "once";

  const ports::JobRow row = job(id);
  EXPECT_EQ(row.status, JobStatus::kFailed);
  ASSERT_TRUE(row.error);
  EXPECT_EQ(row.error->code, "limit_wait");
  EXPECT_EQ(row.error->message, "waited too long");
  EXPECT_TRUE(row.completed_at);
  EXPECT_FALSE(row.execution_id || row.started_at) << "nothing was ever sent";
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "failed"));
  EXPECT_NE(events_of(id).at(1).data_json.find("limit_wait"), std::string::npos);
  EXPECT_EQ(job(patient).status, JobStatus::kPending);
}

TEST_P(StoreSuite, AClaimedJobDoesNotWaitAnyMoreButOneThatCameBackDoes) {
  const ports::InstanceId instance = add_instance("gpu-1");
  connect(instance);
  ports::NewJob sent = new_job();
  sent.wait_limit = absl::Hours(1);
  const ports::JobId id = submit(sent);
  const ports::ExecutionId execution = claim(id, instance);
  world().end_wait(id);
  EXPECT_EQ(must(dispatch().fail_waited(kWaited, 10)), 0) << "it may be on its way to the instance";
  ASSERT_TRUE(must(dispatch().withdraw(execution, "not_started")));
  EXPECT_EQ(must(dispatch().fail_waited(kWaited, 10)), 1);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "requeued", "failed"));
}

TEST_P(StoreSuite, AWishToCancelGoesBeforeTheLimitOfWaiting) {
  ports::NewJob sent = new_job();
  sent.wait_limit = absl::Hours(1);
  const ports::JobId id = submit(sent);
  ASSERT_TRUE(await(jobs().request_cancel(id, user())).ok());
  world().end_wait(id);
  EXPECT_EQ(must(dispatch().fail_waited(kWaited, 10)), 0);
  EXPECT_EQ(must(dispatch().cancel_wished(10)), 1);
  EXPECT_EQ(job(id).status, JobStatus::kCancelled);
}

TEST_P(StoreSuite, TheLimitOfWaitingHoldsWithAnIdempotencyKeyToo) {
  ports::NewJob sent = new_job();
  sent.wait_limit = absl::Microseconds(1);
  sent.idempotency = ports::IdempotencyKey{"key", fresh_sha256()};
  const ports::JobId id = submit(sent);
  world().end_wait(id);
  EXPECT_THAT(must(dispatch().candidates(10)), IsEmpty());
  EXPECT_EQ(must(dispatch().fail_waited(kWaited, 10)), 1);
}

TEST_P(StoreSuite, TheDatabaseKnowsWhenAPromptWasLastHeardAndItsOwnTime) {
  const Running run = running();
  const ports::ExecutionRow before = execution(run.execution);
  EXPECT_FALSE(before.last_sign_at || before.limit_passed);
  ASSERT_TRUE(before.started_at);
  EXPECT_GE(before.read_at, *before.started_at) << "one clock";
  const auto write = [&](std::optional<absl::Duration> silent_for, ports::Epoch epoch) {
    ports::ProgressWrite progress{run.execution, epoch, 5, "3"};
    progress.silent_for = silent_for;
    std::vector<ports::ProgressWrite> writes;
    writes.push_back(progress);
    EXPECT_TRUE(await(executions().record_progress(writes)).ok());
    return execution(run.execution);
  };
  EXPECT_FALSE(write(std::nullopt, run.lease.epoch).last_sign_at) << "nothing was heard";
  const ports::ExecutionRow first = write(absl::Seconds(100), run.lease.epoch);
  ASSERT_TRUE(first.last_sign_at);
  EXPECT_LE(*first.last_sign_at, first.read_at - absl::Seconds(100));
  EXPECT_GE(*first.last_sign_at, before.read_at - absl::Seconds(100));
  EXPECT_EQ(write(absl::Hours(1), run.lease.epoch).last_sign_at, first.last_sign_at) << "an older sign changes nothing";
  EXPECT_EQ(write(std::nullopt, run.lease.epoch).last_sign_at, first.last_sign_at);
  const ports::Epoch stranger{run.lease.epoch.value + 1};
  EXPECT_EQ(write(absl::ZeroDuration(), stranger).last_sign_at, first.last_sign_at) << "of another epoch";
  EXPECT_GT(*write(absl::ZeroDuration(), run.lease.epoch).last_sign_at, *first.last_sign_at);
}

TEST_P(StoreSuite, TheFirstLimitThatPassedStays) {
  const Running run = running();
  const ports::Epoch stranger{run.lease.epoch.value + 1};
  EXPECT_FALSE(must(executions().record_limit(run.execution, stranger, "limit_run"))) << "of another epoch";
  EXPECT_FALSE(execution(run.execution).limit_passed);
  EXPECT_TRUE(must(executions().record_limit(run.execution, run.lease.epoch, "limit_silence")));
  EXPECT_TRUE(must(executions().record_limit(run.execution, run.lease.epoch, "limit_run")));
  EXPECT_EQ(execution(run.execution).limit_passed, "limit_silence");
  EXPECT_EQ(execution(run.execution).state, ports::ExecutionState::kRunning);
  advance(run.execution, run.lease, ports::ExecutionState::kLost);
  EXPECT_FALSE(must(executions().record_limit(run.execution, run.lease.epoch, "limit_run"))) << "it has ended";
}

}  // namespace
}  // namespace renderyard::conformance
