// What became of a prompt while no bridge lived: the next one finds it, whatever it was, and a regular stop leaves
// nothing in doubt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;

class AwayTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::string code(ports::ExecutionId execution) const {
    const auto& error = lab_.row(execution).error;
    return error ? error->code : "";
  }
  // Runs, and nobody listens.
  ports::ExecutionId alone(std::string graph) {
    EXPECT_TRUE(lab_.until_connected());
    const auto execution = lab_.order(std::move(graph));
    EXPECT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
    lab_.kill_bridge();
    return execution;
  }
  [[nodiscard]] bool ends_alone(ports::ExecutionId execution) {
    return lab_.until([&] { return lab_.ledger("ended", execution) == 1; });
  }

  BridgeLab lab_{{"--generation", GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Releases, AwayTest, ::testing::Values("2024-06-30", "0.3.64", "0.33.0"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
                           return name;
                         });

TEST_P(AwayTest, APromptThatFailed) {
  const auto execution = alone("{" + pictures(1, 7) + "," + slow_node(1.0, 1) + "," +
                               node(4, "BridgeFail", R"("image":["2",0],"message":"no luck")") + "," +
                               node(3, "SaveImage", R"("images":["4",0],"filename_prefix":"s")") + "}");
  ASSERT_TRUE(ends_alone(execution));
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kFailed);
  EXPECT_EQ(code(execution), "node_error");
  EXPECT_EQ(lab_.row(execution).error->node_id, "4");
  EXPECT_EQ(lab_.row(execution).error->node_class, "BridgeFail");
}

TEST_P(AwayTest, AJobThatAPersonCancelled) {
  const auto execution = alone(slow_graph(30, 1));
  lab_.wish_cancel(execution);
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCancelled);
  EXPECT_EQ(lab_.ledger("interrupted", execution), 1);
}

TEST_P(AwayTest, AServerThatWasStartedAgainAndHasForgottenIt) {
  const auto execution = alone(slow_graph(30, 1));
  lab_.sim().kill();
  lab_.sim().start_again({"--generation", GetParam()});
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kLost);
  EXPECT_EQ(code(execution), "execution_lost");
  EXPECT_EQ(lab_.free_slots(), 1u);
}

TEST_P(AwayTest, AHistoryThatSomebodyWiped) {
  const auto execution = alone(slow_graph(1.0, 1));
  ASSERT_TRUE(ends_alone(execution));
  lab_.http("/history", R"({"clear":true})");
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kLost) << "nothing was heard of its end";
  EXPECT_EQ(code(execution), "execution_lost");
}

TEST_P(AwayTest, AJobOfAnyAge) {
  const auto execution = alone(slow_graph(2.0, 1));
  lab_.database().age_execution(execution, absl::Hours(30));
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCompleted) << code(execution);
  EXPECT_EQ(lab_.outputs(execution).size(), 1u);
  EXPECT_EQ(lab_.ledger("post"), 1);
}

// A POST in flight is waited for, so that a restart leaves no submission in doubt; the prompt is the next one's.
TEST_P(AwayTest, ARegularStopDuringAPost) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.fault(R"({"fault": "answer_late", "path": "/prompt", "delay_ms": 1500, "count": 1})");
  const auto execution = lab_.order(slow_graph(3.0, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kSubmitting));
  lab_.stop_bridge();
  EXPECT_THAT(lab_.row(execution).state, ::testing::AnyOf(ExecutionState::kQueued, ExecutionState::kRunning));
  EXPECT_EQ(lab_.row(execution).outcome_proof, "answered_200");
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCompleted) << code(execution);
  EXPECT_EQ(lab_.ledger("post"), 1);
}

// On another host the same name proves nothing: the first one may live on, and be about to send.
TEST_P(AwayTest, APredecessorElsewhereIsNotKnownToBeDead) {
  ASSERT_TRUE(lab_.until_connected());
  const auto before = lab_.order(simple_graph(1));  // a witness
  ASSERT_TRUE(lab_.until_final(before));
  lab_.fault(R"({"fault": "silent", "at": "post_before_queue", "count": 1})");
  const auto execution = lab_.order(simple_graph(2));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kSubmitting));
  lab_.kill_bridge();
  lab_.use_another_lock();
  lab_.start_bridge();
  const auto seconds = [&] { return absl::Now() - lab_.row(execution).assigned_at > absl::Seconds(16); };
  ASSERT_TRUE(lab_.until(seconds, absl::Seconds(30)));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kSubmitting)
      << "two rounds ten seconds apart are no evidence here";
}

}  // namespace
}  // namespace renderyard::testing
