// An operator gives executions up: the bridge stops driving them, asks the server to stop their prompts where that can
// hit no other, and records what became of them, whichever process finds them.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;

class OperatorTest : public ::testing::TestWithParam<const char*> {
 protected:
  bool old() const { return std::string_view(GetParam()) == "2024-06-30"; }
  [[nodiscard]] bool until_recorded(ports::ExecutionId execution) {
    return lab_.until([&] { return lab_.row(execution).stray_seen_at.has_value(); });
  }
  void expect_that_it_works() {
    const auto next = lab_.order(simple_graph(9));
    ASSERT_TRUE(lab_.until_final(next));
    EXPECT_EQ(lab_.row(next).state, ExecutionState::kCompleted);
  }

  BridgeLab lab_{{"--generation", GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Releases, OperatorTest, ::testing::Values("2024-06-30", "0.3.64", "0.33.0"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
                           return name;
                         });

TEST_P(OperatorTest, TheRunningPromptOfAnExecutionThatIsGivenUpIsStopped) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(old() ? 1.2 : 30, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  EXPECT_TRUE(lab_.give_up(execution).prompt_may_run);
  EXPECT_EQ(lab_.free_slots(), 1u) << "its slot is free at once";
  ASSERT_TRUE(until_recorded(execution));
  // The oldest server can only interrupt whatever runs: there the prompt goes on to its end.
  EXPECT_EQ(lab_.row(execution).stray_outcome, old() ? "completed" : "interrupted");
  EXPECT_EQ(lab_.ledger("interrupted", execution), old() ? 0 : 1);
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kFailed);
  EXPECT_EQ(lab_.row(execution).error->code, "given_up_by_operator");
  EXPECT_TRUE(lab_.outputs(execution).empty());
  ASSERT_TRUE(lab_.until([&] { return lab_.count_in_journal("stray_gone") == 1; }));
  expect_that_it_works();
}

// It would hold up whatever comes behind it.
TEST_P(OperatorTest, AGivenUpPromptThatGoesOnForLongKeepsWorkAway) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution =
      lab_.order("{" + pictures(1, 7) + "," + node(2, "BridgeDeaf", R"("image":["1",0],"seconds":6.0,"salt":1)") + "," +
                 node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"deaf")") + "}");
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  EXPECT_TRUE(lab_.give_up(execution).prompt_may_run);
  ASSERT_TRUE(lab_.until([&] { return lab_.instance().quarantined_at.has_value(); }));
  EXPECT_EQ(lab_.instance().quarantined_by, execution);
  EXPECT_EQ(lab_.free_slots(), 0u);
  ASSERT_TRUE(until_recorded(execution));
  ASSERT_TRUE(lab_.until([&] { return !lab_.instance().quarantined_at; }));
  expect_that_it_works();
}

TEST_P(OperatorTest, AWaitingPromptIsTakenOffTheQueueAndTheStrangersGoesOn) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.strangers_prompt(slow_graph(1.5, 1));
  const auto execution = lab_.order(slow_graph(30, 2));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kQueued));
  EXPECT_TRUE(lab_.give_up(execution).prompt_may_run);
  ASSERT_TRUE(until_recorded(execution));
  EXPECT_EQ(lab_.row(execution).stray_outcome, "vanished");
  EXPECT_EQ(lab_.ledger("deleted", execution), 1);
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("ended") == 1; }));
  EXPECT_EQ(lab_.ledger("interrupted"), 0);
}

TEST_P(OperatorTest, WhatIsGivenUpWhileNoBridgeLivesIsLookedAfterByTheNextOne) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(old() ? 2.0 : 30, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.kill_bridge();
  EXPECT_TRUE(lab_.give_up(execution).prompt_may_run);
  EXPECT_FALSE(lab_.row(execution).stray_seen_at);
  lab_.start_bridge();
  ASSERT_TRUE(until_recorded(execution));
  EXPECT_EQ(lab_.row(execution).stray_outcome, old() ? "completed" : "interrupted");
  EXPECT_EQ(lab_.count_in_journal("execution_adopted"), 0) << "it is nobody's to follow";
  expect_that_it_works();
}

// CancelExecution, whose wish reaches the instance as the gateway's does.
class CancelTest : public OperatorTest {
 protected:
  using End = domain::CancelResult::Kind;
  ports::JobId job_of(ports::ExecutionId execution) const { return lab_.row(execution).job_id; }
  End outcome(ports::JobId job, absl::Duration patience = absl::Seconds(20)) {
    const auto answer = lab_.cancel(job, patience);
    EXPECT_TRUE(lab_.until([&] { return answer->has_value(); })) << "no answer";
    if (!answer->has_value()) return End::kPending;
    EXPECT_TRUE((*answer)->ok()) << (*answer)->status();
    return (*answer)->ok() ? (**answer)->kind : End::kPending;
  }
};

INSTANTIATE_TEST_SUITE_P(Releases, CancelTest, ::testing::Values("2024-06-30", "0.3.64", "0.33.0"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
                           return name;
                         });

TEST_P(CancelTest, ARunningPromptIsStoppedAndTheCallerToldSo) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(30, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  EXPECT_EQ(outcome(job_of(execution)), End::kCancelled);
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCancelled);
  EXPECT_EQ(lab_.ledger("interrupted", execution), 1);
  EXPECT_EQ(outcome(job_of(execution)), End::kCancelled) << "it may be repeated";
  EXPECT_EQ(lab_.ledger("interrupted"), 1);
}

TEST_P(CancelTest, AQueuedPromptIsDeletedAndTheStrangersRunsToItsEnd) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.strangers_prompt(slow_graph(1.5, 1));
  const auto execution = lab_.order(slow_graph(30, 2));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kQueued));
  EXPECT_EQ(outcome(job_of(execution)), End::kCancelled);
  EXPECT_EQ(lab_.ledger("deleted", execution), 1);
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("ended") == 1; }));
  EXPECT_EQ(lab_.ledger("interrupted"), 0) << "nobody else was hit";
}

TEST_P(CancelTest, ItMayComeTooLate) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(simple_graph(3));
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(outcome(job_of(execution)), End::kCompleted);
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCompleted);
}

TEST_P(CancelTest, TheDeadlineMayComeFirstAndTheWishStands) {
  ASSERT_TRUE(lab_.until_connected());
  // Does not look whether it is interrupted.
  const auto execution =
      lab_.order("{" + pictures(1, 7) + "," + node(2, "BridgeDeaf", R"("image":["1",0],"seconds":2.0,"salt":1)") + "," +
                 node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"deaf")") + "}");
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  EXPECT_EQ(outcome(job_of(execution), absl::Milliseconds(300)), End::kPending);
  EXPECT_TRUE(lab_.row(execution).cancel_requested_at);
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_NE(outcome(job_of(execution)), End::kPending);
}

TEST_P(CancelTest, AFailureOfItsOwnIsNamed) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution =
      lab_.order("{" + pictures(1, 4) + "," + node(2, "BridgeFail", R"("image":["1",0],"message":"no luck")") + "," +
                 node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"pic")") + "}");
  ASSERT_TRUE(lab_.until_final(execution));
  const auto answer = lab_.cancel(job_of(execution), absl::Seconds(5));
  ASSERT_TRUE(lab_.until([&] { return answer->has_value(); }));
  ASSERT_TRUE((*answer)->ok());
  EXPECT_EQ((**answer)->kind, End::kFailed);
  EXPECT_EQ((**answer)->error_code, "node_error");
}

}  // namespace
}  // namespace renderyard::testing
