// The wish of CancelExecution and the look for what came of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::ExecutionState;
using ports::JobStatus;
using ::testing::ElementsAre;
using Kind = ports::Settlement::Kind;

TEST_P(StoreSuite, AWishOfNobodyInParticularReachesJobAndExecutionOnce) {
  const Running run = running();
  const ports::JobId id = execution(run.execution).job_id;
  ASSERT_TRUE(settle(settlement(Kind::kStart, id, run.execution)));
  EXPECT_TRUE(await(cancels().wish(id)).ok());
  EXPECT_TRUE(await(cancels().wish(id)).ok()) << "may be repeated";
  EXPECT_TRUE(execution(run.execution).cancel_requested_at);
  EXPECT_TRUE(job(id).cancel_requested_at);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "started", "cancel_requested"));
  EXPECT_TRUE(same_json(events_of(id).back().data_json, R"({"by":null})"));

  ports::JobEnd end = must(cancels().look(id));
  EXPECT_EQ(end.status, JobStatus::kRunning);
  EXPECT_FALSE(end.error);
  ASSERT_TRUE(end.execution);
  EXPECT_EQ(end.execution->id, run.execution);
  EXPECT_EQ(end.execution->state, ExecutionState::kRunning);
  advance(run.execution, run.lease, ExecutionState::kCancelled);
  end = must(cancels().look(id));
  EXPECT_EQ(end.status, JobStatus::kRunning) << "not settled yet";
  EXPECT_EQ(end.execution->state, ExecutionState::kCancelled);
  ASSERT_TRUE(settle(settlement(Kind::kCancel, id, run.execution)));
  EXPECT_EQ(must(cancels().look(id)).status, JobStatus::kCancelled);
}

TEST_P(StoreSuite, AWishForAWaitingJobIsTheDispatchersToFulfil) {
  const ports::JobId id = submit();
  EXPECT_FALSE(must(cancels().look(id)).execution);
  ASSERT_TRUE(await(cancels().wish(id)).ok());
  EXPECT_EQ(must(dispatch().cancel_wished(10)), 1);
  EXPECT_EQ(must(cancels().look(id)).status, JobStatus::kCancelled);
}

TEST_P(StoreSuite, AWishThatComesTooLateChangesNothing) {
  const Running run = running();
  const ports::JobId id = execution(run.execution).job_id;
  end(run.execution, run.lease, ExecutionState::kFailed);
  ports::JobEnd seen = must(cancels().look(id));
  ASSERT_TRUE(seen.execution && seen.execution->error);
  EXPECT_EQ(seen.execution->error->code, "node_error");
  ASSERT_TRUE(settle(settlement(Kind::kFail, id, run.execution)));
  const auto before = history_of(id);
  EXPECT_TRUE(await(cancels().wish(id)).ok());
  EXPECT_EQ(history_of(id), before);
  EXPECT_FALSE(job(id).cancel_requested_at);
  seen = must(cancels().look(id));
  EXPECT_EQ(seen.status, JobStatus::kFailed);
  EXPECT_EQ(seen.error->code, "node_error");
  const ports::JobId unknown{id.value + 1000};
  EXPECT_TRUE(absl::IsNotFound(await(cancels().wish(unknown))));
  EXPECT_TRUE(absl::IsNotFound(await(cancels().look(unknown)).status()));
}

}  // namespace
}  // namespace renderyard::conformance
