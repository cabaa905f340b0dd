// Cases of JobStore: who somebody is, submitting, reading, the wish to cancel.
#include <gmock/gmock.h>

#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::CancelOutcome;
using ports::JobStatus;
using ::testing::ElementsAre;

TEST_P(StoreSuite, AuthenticateKnowsLiveTokensOnly) {
  const std::string token = fresh_sha256();
  const ports::UserId root = world().make_user("root", ports::Role::kAdmin, token);
  const auto known = await(jobs().authenticate(token));
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_EQ(known->id, root);
  EXPECT_EQ(known->name, "root");
  EXPECT_EQ(known->role, ports::Role::kAdmin);
  EXPECT_TRUE(absl::IsNotFound(await(jobs().authenticate(fresh_sha256())).status()));
  world().revoke_token(token);
  EXPECT_TRUE(absl::IsNotFound(await(jobs().authenticate(token)).status()));
}

TEST_P(StoreSuite, SubmitStoresWhatWasSent) {
  ports::NewJob sent = new_job();
  sent.priority = 7;
  sent.estimated_duration_secs = 90;
  sent.name = "a portrait";
  sent.metadata_json = R"({"characterId":"c1"})";
  const auto submitted = await(jobs().submit(sent));
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  EXPECT_FALSE(submitted->replayed);
  EXPECT_EQ(submitted->uid, sent.uid);
  const ports::JobRow row = job(submitted->id);
  EXPECT_EQ(row.uid, sent.uid);
  EXPECT_EQ(row.status, JobStatus::kPending);
  EXPECT_EQ(row.submitted_by, user());
  EXPECT_EQ(row.job_type, sent.job_type);
  EXPECT_EQ(row.workflow, sent.workflow) << "the text, not a JSON value: seeds beyond 2^53 stay exact";
  EXPECT_TRUE(same_json(row.parameters_json, sent.parameters_json)) << row.parameters_json;
  EXPECT_TRUE(same_json(row.metadata_json.value_or(""), *sent.metadata_json));
  EXPECT_EQ(row.priority, 7);
  EXPECT_EQ(row.estimated_duration_secs, 90);
  EXPECT_EQ(row.name, "a portrait");
  EXPECT_EQ(row.submitted_at, submitted->submitted_at);
  EXPECT_EQ(row.attempt, 0);
  EXPECT_EQ(row.progress_percent, 0);
  EXPECT_FALSE(row.claimed_at || row.started_at || row.completed_at || row.execution_id || row.worker_id);
  EXPECT_FALSE(row.result_json || row.error || row.cancel_requested_at || row.waiting_reason);
  const auto events = events_of(submitted->id);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type, ports::event_type::kSubmitted);
  EXPECT_EQ(events[0].seq, 1);
  EXPECT_EQ(events[0].user_id, user());
  EXPECT_FALSE(events[0].execution_id);
}

TEST_P(StoreSuite, JobsAreFoundByUid) {
  ports::NewJob sent = new_job();
  const ports::JobId id = submit(sent);
  const auto found = await(jobs().get_by_uid(sent.uid));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->id, id);
  EXPECT_TRUE(absl::IsNotFound(await(jobs().get_by_uid(fresh_uuid())).status()));
  EXPECT_TRUE(absl::IsNotFound(await(jobs().get(ports::JobId{id.value + 1000})).status()));
}

TEST_P(StoreSuite, UidIsUnique) {
  ports::NewJob first = new_job();
  submit(first);
  ports::NewJob second = new_job();
  second.uid = first.uid;
  EXPECT_FALSE(await(jobs().submit(second)).ok());
}

TEST_P(StoreSuite, SubmitWithAKeyIsDoneOnce) {
  ports::NewJob sent = new_job();
  ports::IdempotencyKey key;
  key.key = "order-1";
  key.body_sha256 = fresh_sha256();
  sent.idempotency = key;
  const auto first = await(jobs().submit(sent));
  ASSERT_TRUE(first.ok()) << first.status();
  ports::NewJob repeat = sent;
  repeat.uid = fresh_uuid();
  const auto second = await(jobs().submit(repeat));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(second->replayed);
  EXPECT_EQ(second->id, first->id);
  EXPECT_EQ(second->uid, first->uid);
  EXPECT_EQ(second->submitted_at, first->submitted_at);
  EXPECT_THAT(history_of(first->id), ElementsAre("submitted"));
  const auto all = await(jobs().list({}));
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->size(), 1u);
}

TEST_P(StoreSuite, AKeyWithAnotherBodyIsRefused) {
  ports::NewJob sent = new_job();
  ports::IdempotencyKey key;
  key.key = "order-1";
  key.body_sha256 = fresh_sha256();
  sent.idempotency = key;
  submit(sent);
  ports::NewJob other = new_job();
  key.body_sha256 = fresh_sha256();
  other.idempotency = key;
  EXPECT_TRUE(absl::IsAlreadyExists(await(jobs().submit(other)).status()));
  // The key belongs to its user.
  other.user = world().make_user("berta", ports::Role::kUser, fresh_sha256());
  const auto theirs = await(jobs().submit(other));
  ASSERT_TRUE(theirs.ok()) << theirs.status();
  EXPECT_FALSE(theirs->replayed);
}

TEST_P(StoreSuite, SubmitRefusesTextsThatCannotBeStored) {
  const std::string nul("a\0b", 3);
  std::vector<ports::NewJob> refused(7, new_job());
  refused[0].workflow = nul;
  refused[1].name = nul;
  refused[2].parameters_json = R"({"a":"\u0000"})";
  refused[3].parameters_json = R"({"a":NaN})";
  refused[4].metadata_json = R"({"a\u0000":1})";
  refused[5].job_type = "\xff\xfe";
  refused[6].job_type = nul;
  for (std::size_t i = 0; i < refused.size(); ++i) {
    refused[i].uid = fresh_uuid();
    const auto answer = await(jobs().submit(refused[i]));
    EXPECT_TRUE(absl::IsInvalidArgument(answer.status())) << i << ": " << answer.status();
  }
  const auto all = await(jobs().list({}));
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_TRUE(all->empty()) << "nothing is stored of a refused order";
}

TEST_P(StoreSuite, SubmitTakesEveryOtherText) {
  ports::NewJob sent = new_job();
  sent.name = "Żółć \xF0\x9F\x8E\xA8 \x01 ' \" \\ $1 {} \t\n";
  sent.workflow = R"({"1":{"class_type":"T","inputs":{"text":"\u0000 stays an escape in text"}}})";
  sent.parameters_json = R"({"text":"\ud83c\udfa8 ' \" \\ "})";
  const ports::JobRow row = job(submit(sent));
  EXPECT_EQ(row.name, sent.name);
  EXPECT_EQ(row.workflow, sent.workflow);
  EXPECT_TRUE(same_json(row.parameters_json, sent.parameters_json)) << row.parameters_json;
}

TEST_P(StoreSuite, ListIsNewestFirstWithCursorAndFilters) {
  std::vector<ports::JobId> mine;
  for (int i = 0; i < 5; ++i) mine.push_back(submit());
  ports::NewJob foreign = new_job();
  foreign.user = world().make_user("berta", ports::Role::kUser, fresh_sha256());
  const ports::JobId theirs = submit(foreign);
  ASSERT_EQ(await(jobs().request_cancel(mine[1], user())).value_or(CancelOutcome::kAlreadyEnded),
            CancelOutcome::kRecorded);
  ASSERT_EQ(await(dispatch().cancel_wished(10)).value_or(0), 1);

  const auto ids = [this](ports::JobListQuery query) {
    const auto rows = await(jobs().list(query));
    EXPECT_TRUE(rows.ok()) << rows.status();
    std::vector<ports::JobId> result;
    for (const auto& row : rows.value_or(std::vector<ports::JobRow>{})) {
      EXPECT_TRUE(row.workflow.empty() && row.parameters_json.empty() && !row.result_json);
      result.push_back(row.id);
    }
    return result;
  };
  ports::JobListQuery query;
  EXPECT_THAT(ids(query), ElementsAre(theirs, mine[4], mine[3], mine[2], mine[1], mine[0]));
  query.user = user();
  query.limit = 2;
  EXPECT_THAT(ids(query), ElementsAre(mine[4], mine[3]));
  query.before = mine[3];
  EXPECT_THAT(ids(query), ElementsAre(mine[2], mine[1]));
  query.before.reset();
  query.offset = 3;
  EXPECT_THAT(ids(query), ElementsAre(mine[1], mine[0]));
  query.offset = 0;
  query.limit = 100;
  query.status = JobStatus::kCancelled;
  EXPECT_THAT(ids(query), ElementsAre(mine[1]));
  query.status = JobStatus::kPending;
  EXPECT_THAT(ids(query), ElementsAre(mine[4], mine[3], mine[2], mine[0]));
  query.limit = 0;
  EXPECT_THAT(ids(query), ElementsAre());
}

TEST_P(StoreSuite, TheWishToCancelIsRecordedOnce) {
  const ports::JobId id = submit();
  EXPECT_EQ(must(jobs().request_cancel(id, user())), CancelOutcome::kRecorded);
  const auto wished_at = job(id).cancel_requested_at;
  ASSERT_TRUE(wished_at);
  EXPECT_EQ(must(jobs().request_cancel(id, user())), CancelOutcome::kRecorded);
  EXPECT_EQ(job(id).cancel_requested_at, wished_at);
  EXPECT_EQ(job(id).status, JobStatus::kPending) << "the gateway only wishes";
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "cancel_requested"));
  EXPECT_TRUE(absl::IsNotFound(await(jobs().request_cancel(ports::JobId{id.value + 1000}, user())).status()));
}

TEST_P(StoreSuite, TheWishIsCopiedToTheLiveExecution) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId running = claim(id, instance);
  ASSERT_TRUE(start(running, lease));
  EXPECT_FALSE(execution(running).cancel_requested_at);
  EXPECT_EQ(must(jobs().request_cancel(id, user())), CancelOutcome::kRecorded);
  EXPECT_TRUE(execution(running).cancel_requested_at);
  ports::Advance step;
  step.id = running;
  step.epoch = lease.epoch;
  step.from = {ports::ExecutionState::kSubmitting};
  step.to = ports::ExecutionState::kQueued;
  const auto advanced = await(executions().advance(step));
  ASSERT_TRUE(advanced.ok() && advanced->has_value()) << advanced.status();
  EXPECT_TRUE((*advanced)->cancel_requested) << "the bridge learns of the wish on its next step";
}

TEST_P(StoreSuite, CancelOutcomesOfEndedJobs) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId cancelled = submit();
  EXPECT_EQ(must(jobs().request_cancel(cancelled, user())), CancelOutcome::kRecorded);
  EXPECT_EQ(must(dispatch().cancel_wished(10)), 1);
  EXPECT_EQ(must(jobs().request_cancel(cancelled, user())), CancelOutcome::kAlreadyCancelled);

  const ports::JobId completed = submit();
  const ports::ExecutionId running = claim(completed, instance);
  ASSERT_TRUE(start(running, lease));
  advance(running, lease, ports::ExecutionState::kCollecting);
  ASSERT_TRUE(complete(running, lease));
  ASSERT_TRUE(settle(settlement(ports::Settlement::Kind::kComplete, completed, running)));
  EXPECT_EQ(must(jobs().request_cancel(completed, user())), CancelOutcome::kAlreadyEnded);
  EXPECT_FALSE(job(completed).cancel_requested_at);
}

TEST_P(StoreSuite, EventsAreReadByUserAndBounds) {
  const ports::JobId first = submit();
  ports::NewJob foreign = new_job();
  foreign.user = world().make_user("berta", ports::Role::kUser, fresh_sha256());
  submit(foreign);
  const ports::JobId third = submit();
  const std::int64_t first_id = events_of(first).at(0).id;
  const std::int64_t third_id = events_of(third).at(0).id;

  ports::EventQuery query;
  query.user = user();
  query.upto = third_id;
  auto events = await(jobs().events(query));
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ(events->at(0).job_id, first);
  EXPECT_EQ(events->at(1).job_id, third);
  query.after = first_id;
  EXPECT_EQ(must(jobs().events(query)).size(), 1u);
  query.after = 0;
  query.upto = third_id - 1;
  EXPECT_EQ(must(jobs().events(query)).size(), 1u);
  query.user.reset();
  query.upto = third_id;
  EXPECT_EQ(must(jobs().events(query)).size(), 3u);
  query.limit = 2;
  events = await(jobs().events(query));
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ(events->at(0).id, first_id);
}

TEST_P(StoreSuite, TheClusterHasAnEpoch) {
  const auto of_gateway = await(jobs().cluster());
  const auto of_dispatcher = await(event_log().cluster());
  ASSERT_TRUE(of_gateway.ok() && of_dispatcher.ok());
  EXPECT_EQ(of_gateway->epoch.size(), 36u);
  EXPECT_EQ(of_gateway->epoch, of_dispatcher->epoch);
  EXPECT_EQ(of_gateway->events_floor, 0);
}

}  // namespace
}  // namespace renderyard::conformance
