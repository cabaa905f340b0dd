// Cases of settling: what the feed shows, and how a job follows its execution to exactly one final state.
#include <gmock/gmock.h>

#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::ExecutionState;
using ports::JobStatus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = ports::Settlement::Kind;

TEST_P(StoreSuite, TheFeedShowsStartsAndEndsUntilTheJobKnows) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  EXPECT_THAT(unsettled(), IsEmpty()) << "assigned";
  ASSERT_TRUE(start(e, lease));
  EXPECT_THAT(unsettled(), IsEmpty()) << "submitting";
  advance(e, lease, ExecutionState::kQueued);
  EXPECT_THAT(unsettled(), IsEmpty()) << "queued";
  advance(e, lease, ExecutionState::kRunning);
  auto feed = unsettled();
  ASSERT_EQ(feed.size(), 1u);
  EXPECT_EQ(feed[0].execution.id, e);
  EXPECT_EQ(feed[0].execution.state, ExecutionState::kRunning);
  EXPECT_TRUE(feed[0].execution.started_at);
  EXPECT_EQ(feed[0].job_status, JobStatus::kPending);
  EXPECT_FALSE(feed[0].job_wants_cancel);
  ASSERT_TRUE(settle(settlement(Kind::kStart, id, e)));
  EXPECT_THAT(unsettled(), IsEmpty()) << "the job runs";
  ASSERT_TRUE(await(jobs().request_cancel(id, user())).ok());
  advance(e, lease, ExecutionState::kCollecting);
  EXPECT_THAT(unsettled(), IsEmpty()) << "collecting";
  ASSERT_TRUE(complete(e, lease));
  feed = unsettled();
  ASSERT_EQ(feed.size(), 1u);
  EXPECT_EQ(feed[0].execution.state, ExecutionState::kCompleted);
  EXPECT_EQ(feed[0].job_status, JobStatus::kRunning);
  EXPECT_TRUE(feed[0].job_wants_cancel);
  EXPECT_TRUE(same_json(feed[0].result_json.value_or(""), R"({"9":{"images":1}})"));
  EXPECT_THAT(must(dispatch().unsettled(absl::Hours(1), 10)), IsEmpty()) << "it has just ended";
  ASSERT_TRUE(settle(settlement(Kind::kComplete, id, e)));
  EXPECT_THAT(unsettled(), IsEmpty());
}

TEST_P(StoreSuite, TheFeedIsOldestFirstAndBounded) {
  const ports::InstanceId instance = add_instance("gpu-1", 3);
  const ports::Lease lease = connect(instance);
  std::vector<ports::ExecutionId> ended;
  for (int slot = 0; slot < 3; ++slot) {
    ended.push_back(claim(submit(), instance, slot));
    ASSERT_TRUE(start(ended.back(), lease));
  }
  for (const auto& e : ended) end(e, lease, ExecutionState::kLost);
  const auto feed = must(dispatch().unsettled(absl::ZeroDuration(), 2));
  ASSERT_EQ(feed.size(), 2u);
  EXPECT_EQ(feed[0].execution.id, ended[0]);
  EXPECT_EQ(feed[1].execution.id, ended[1]);
}

TEST_P(StoreSuite, SettleStartThenComplete) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  EXPECT_FALSE(settle(settlement(Kind::kStart, id, e))) << "it has not started";
  advance(e, lease, ExecutionState::kRunning);
  EXPECT_TRUE(settle(settlement(Kind::kStart, id, e)));
  EXPECT_FALSE(settle(settlement(Kind::kStart, id, e))) << "twice is harmless";
  EXPECT_EQ(job(id).status, JobStatus::kRunning);
  EXPECT_EQ(job(id).started_at, execution(e).started_at);
  EXPECT_FALSE(execution(e).settled_at);
  EXPECT_FALSE(settle(settlement(Kind::kComplete, id, e))) << "its execution has not ended";
  EXPECT_EQ(job(id).status, JobStatus::kRunning);
  advance(e, lease, ExecutionState::kCollecting);
  ASSERT_TRUE(complete(e, lease));
  EXPECT_TRUE(settle(settlement(Kind::kComplete, id, e)));
  EXPECT_FALSE(settle(settlement(Kind::kComplete, id, e))) << "twice is harmless";
  const ports::JobRow row = job(id);
  EXPECT_EQ(row.status, JobStatus::kCompleted);
  EXPECT_TRUE(row.completed_at);
  EXPECT_TRUE(row.actual_duration_secs);
  EXPECT_EQ(row.progress_percent, 100);
  EXPECT_TRUE(same_json(row.result_json.value_or(""), R"({"9":{"images":1}})")) << row.result_json.value_or("");
  EXPECT_FALSE(row.error);
  EXPECT_EQ(row.execution_id, e);
  EXPECT_EQ(row.worker_id, instance);
  EXPECT_TRUE(execution(e).settled_at);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "started", "completed"));
  EXPECT_EQ(events_of(id).at(3).execution_id, e);
}

TEST_P(StoreSuite, AFastPromptIsStartedAndCompletedAtOnce) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  advance(e, lease, ExecutionState::kCollecting);
  ASSERT_TRUE(complete(e, lease));
  EXPECT_TRUE(settle(settlement(Kind::kComplete, id, e)));
  EXPECT_EQ(job(id).status, JobStatus::kCompleted);
  EXPECT_EQ(job(id).started_at, execution(e).started_at);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "started", "completed"));
}

TEST_P(StoreSuite, SettleFailKeepsTheError) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  advance(e, lease, ExecutionState::kRunning);
  end(e, lease, ExecutionState::kFailed);
  EXPECT_TRUE(settle(settlement(Kind::kFail, id, e)));
  const ports::JobRow row = job(id);
  EXPECT_EQ(row.status, JobStatus::kFailed);
  ASSERT_TRUE(row.error);
  EXPECT_EQ(row.error->code, "node_error");
  EXPECT_EQ(row.error->message, "it broke");
  EXPECT_EQ(row.error->node_id, "5");
  EXPECT_EQ(row.error->node_class, "KSampler");
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "started", "failed"));
  EXPECT_NE(events_of(id).at(3).data_json.find("node_error"), std::string::npos) << events_of(id).at(3).data_json;
}

TEST_P(StoreSuite, AFailureBeforeTheStartHasNoStart) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  end(e, lease, ExecutionState::kFailed);
  EXPECT_TRUE(settle(settlement(Kind::kFail, id, e)));
  EXPECT_FALSE(job(id).started_at);
  EXPECT_FALSE(job(id).actual_duration_secs);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "failed"));
}

TEST_P(StoreSuite, SettleCancel) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  advance(e, lease, ExecutionState::kQueued);
  ASSERT_TRUE(await(jobs().request_cancel(id, user())).ok());
  end(e, lease, ExecutionState::kCancelled);
  EXPECT_TRUE(settle(settlement(Kind::kCancel, id, e)));
  EXPECT_EQ(job(id).status, JobStatus::kCancelled);
  EXPECT_FALSE(job(id).error);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "cancel_requested", "cancelled"));
}

TEST_P(StoreSuite, SettleCancelOfAStartedPromptTellsItsStart) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  advance(e, lease, ExecutionState::kRunning);
  ASSERT_TRUE(await(jobs().request_cancel(id, user())).ok());
  end(e, lease, ExecutionState::kCancelled);
  EXPECT_TRUE(settle(settlement(Kind::kCancel, id, e)));
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "cancel_requested", "started", "cancelled"));
}

TEST_P(StoreSuite, SettleRequeueWaitsItsPause) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  end(e, lease, ExecutionState::kNotAccepted, "connect_failed");
  ports::Settlement requeue = settlement(Kind::kRequeue, id, e);
  requeue.not_before = absl::Hours(1);
  EXPECT_TRUE(settle(requeue));
  EXPECT_FALSE(settle(requeue)) << "twice is harmless";
  const ports::JobRow row = job(id);
  EXPECT_EQ(row.status, JobStatus::kPending);
  EXPECT_FALSE(row.claimed_at || row.execution_id || row.worker_id || row.started_at);
  EXPECT_TRUE(execution(e).settled_at);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "requeued"));
  EXPECT_NE(events_of(id).at(2).data_json.find("connect_failed"), std::string::npos);
  EXPECT_THAT(must(dispatch().candidates(10)), IsEmpty()) << "its pause is not over";
  world().end_pause(id);
  EXPECT_EQ(must(dispatch().candidates(10)).size(), 1u);
  const ports::ExecutionId second = claim(id, instance);
  EXPECT_EQ(execution(second).attempt, 2);
}

TEST_P(StoreSuite, EarlierRefusalsAreCounted) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const std::vector<std::string> proofs = {"answered_404", "connect_failed", "not_sent", "answered_401"};
  const std::vector<int> expected = {0, 1, 1, 2};
  for (std::size_t i = 0; i < proofs.size(); ++i) {
    const ports::ExecutionId e = claim(id, instance);
    ASSERT_TRUE(start(e, lease));
    end(e, lease, ExecutionState::kNotAccepted, proofs[i]);
    const auto feed = unsettled();
    ASSERT_EQ(feed.size(), 1u) << "settled executions are not in the feed";
    EXPECT_EQ(feed[0].execution.id, e);
    EXPECT_EQ(feed[0].execution.outcome_proof, proofs[i]);
    EXPECT_EQ(feed[0].earlier_not_accepted, expected[i]) << "attempt " << i + 1;
    ASSERT_TRUE(settle(settlement(Kind::kRequeue, id, e)));
  }
}

TEST_P(StoreSuite, ARunningJobIsNeverRequeued) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  advance(e, lease, ExecutionState::kRunning);
  ASSERT_TRUE(settle(settlement(Kind::kStart, id, e)));
  end(e, lease, ExecutionState::kLost);
  EXPECT_FALSE(settle(settlement(Kind::kRequeue, id, e)));
  EXPECT_EQ(job(id).status, JobStatus::kRunning);
}

TEST_P(StoreSuite, AnExecutionOfThePastSettlesNothing) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId past = claim(id, instance);
  ASSERT_TRUE(start(past, lease));
  end(past, lease, ExecutionState::kNotAccepted, "not_sent");
  ASSERT_TRUE(settle(settlement(Kind::kRequeue, id, past)));
  const ports::ExecutionId present = claim(id, instance);
  for (const Kind kind : {Kind::kStart, Kind::kComplete, Kind::kFail, Kind::kCancel, Kind::kRequeue}) {
    EXPECT_FALSE(settle(settlement(kind, id, past)));
  }
  EXPECT_EQ(job(id).status, JobStatus::kPending);
  EXPECT_EQ(job(id).execution_id, present);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "requeued", "claimed"));
}

TEST_P(StoreSuite, AFinalStateNeverChanges) {
  const ports::InstanceId instance = add_instance("gpu-1", 3);
  const ports::Lease lease = connect(instance);
  const std::vector<std::pair<ExecutionState, Kind>> ends = {{ExecutionState::kCompleted, Kind::kComplete},
                                                             {ExecutionState::kFailed, Kind::kFail},
                                                             {ExecutionState::kCancelled, Kind::kCancel}};
  for (const auto& [state, kind] : ends) {
    const ports::JobId id = submit();
    const ports::ExecutionId e = claim(id, instance);
    ASSERT_TRUE(start(e, lease));
    if (state == ExecutionState::kCompleted) {
      advance(e, lease, ExecutionState::kCollecting);
      ASSERT_TRUE(complete(e, lease));
    } else {
      end(e, lease, state);
    }
    ASSERT_TRUE(settle(settlement(kind, id, e)));
    const ports::JobRow before = job(id);
    for (const Kind later : {Kind::kStart, Kind::kComplete, Kind::kFail, Kind::kCancel, Kind::kRequeue}) {
      EXPECT_FALSE(settle(settlement(later, id, e)));
    }
    ASSERT_TRUE(await(jobs().request_cancel(id, user())).ok());
    EXPECT_EQ(must(dispatch().cancel_wished(10)), 0);
    const ports::JobRow after = job(id);
    EXPECT_EQ(after.status, before.status);
    EXPECT_EQ(after.completed_at, before.completed_at);
    EXPECT_EQ(after.event_seq, before.event_seq);
  }
}

TEST_P(StoreSuite, SettleTakesManyAndSaysWhich) {
  const ports::InstanceId instance = add_instance("gpu-1", 3);
  const ports::Lease lease = connect(instance);
  std::vector<ports::Settlement> settlements;
  std::vector<ports::JobId> ids;
  for (int slot = 0; slot < 3; ++slot) {
    ids.push_back(submit());
    const ports::ExecutionId e = claim(ids.back(), instance, slot);
    ASSERT_TRUE(start(e, lease));
    if (slot != 1) end(e, lease, ExecutionState::kFailed);
    settlements.insert(settlements.begin(), settlement(Kind::kFail, ids.back(), e));
  }
  EXPECT_THAT(must(dispatch().settle(settlements)), ElementsAre(ids[0], ids[2])) << "the second has not ended";
  EXPECT_EQ(job(ids[0]).status, JobStatus::kFailed);
  EXPECT_EQ(job(ids[1]).status, JobStatus::kPending);
  EXPECT_EQ(job(ids[2]).status, JobStatus::kFailed);
  EXPECT_THAT(must(dispatch().settle({})), IsEmpty());
}

}  // namespace
}  // namespace renderyard::conformance
