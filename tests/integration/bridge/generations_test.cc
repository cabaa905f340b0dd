// The bridge against every release of ComfyUI that comfysim stands for: the whole way of a job, cancels, adoption after
// a death, and what only some releases do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;

class GenerationTest : public ::testing::TestWithParam<const char*> {
 protected:
  static std::vector<std::string> release(std::string name) { return {"--generation", std::move(name)}; }
  bool old() const { return std::string_view(GetParam()) == "2024-06-30"; }

  void expect_one_picture(ports::ExecutionId execution) {
    ASSERT_EQ(lab_.row(execution).state, ExecutionState::kCompleted) << why(execution);
    const auto outputs = lab_.outputs(execution);
    ASSERT_EQ(outputs.size(), 1u);
    EXPECT_EQ(outputs[0].node_id, "3");
    EXPECT_TRUE(lab_.content(outputs[0]).starts_with("\x89PNG"));
  }
  std::string why(ports::ExecutionId execution) const {
    const auto& error = lab_.row(execution).error;
    return error ? error->code + ": " + error->message : "";
  }

  BridgeLab lab_{release(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(Releases, GenerationTest, ::testing::Values("2024-06-30", "0.3.64", "0.33.0"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
                           return name;
                         });

TEST_P(GenerationTest, AJobIsSubmittedFollowedAndCollected) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(simple_graph(1));
  ASSERT_TRUE(lab_.until_final(execution));
  expect_one_picture(execution);
  EXPECT_EQ(lab_.row(execution).comfyui_prompt_id == lab_.row(execution).client_prompt_id, !old());
  EXPECT_EQ(lab_.row(execution).outcome_proof, "answered_200");
  EXPECT_EQ(lab_.ledger("post"), 1);
}

TEST_P(GenerationTest, ProgressOfARunningJobIsReported) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(1.0, 1));
  int seen = 0;
  ASSERT_TRUE(lab_.until([&] {
    const auto& row = lab_.row(execution);
    EXPECT_GE(row.progress_percent, seen);
    seen = std::max(seen, row.progress_percent);
    return row.state == ExecutionState::kRunning && row.current_node == "2" && seen > 34;
  })) << seen;
  ASSERT_TRUE(lab_.until_final(execution));
  expect_one_picture(execution);
}

TEST_P(GenerationTest, TheRunningPromptIsCancelled) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(30, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.wish_cancel(execution);
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCancelled);
  EXPECT_EQ(lab_.ledger("interrupted", execution), 1);
}

TEST_P(GenerationTest, AWaitingPromptIsCancelledAndTheRunningOneGoesOn) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.strangers_prompt(slow_graph(1.5, 1));
  const auto execution = lab_.order(slow_graph(30, 2));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kQueued));
  lab_.wish_cancel(execution);
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCancelled);
  EXPECT_EQ(lab_.ledger("deleted", execution), 1);
  // The stranger's prompt comes to its end.
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("ended") == 1; }));
  EXPECT_EQ(lab_.ledger("interrupted"), 0);
}

TEST_P(GenerationTest, ARunningPromptIsAdoptedAfterADeath) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(2.0, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.kill_bridge();
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  expect_one_picture(execution);
  EXPECT_EQ(lab_.count_in_journal("execution_adopted"), 1);
  EXPECT_EQ(lab_.ledger("post"), 1);
}

TEST_P(GenerationTest, APromptThatEndedWhileNobodyListenedIsCollected) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(1.0, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.kill_bridge();
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("ended", execution) == 1; }));
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  expect_one_picture(execution);
}

// The answer never comes, and the bridge dies: only queue, history and the extra data tell what was accepted.
TEST_P(GenerationTest, APromptWhoseAnswerWasLostIsFoundAgainAfterADeath) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.fault(R"({"fault": "silent", "at": "post_after_queue", "count": 1})");
  const auto execution = lab_.order(slow_graph(1.0, 1));
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("started", execution) == 1; }));
  lab_.kill_bridge();
  ASSERT_EQ(lab_.row(execution).state, ExecutionState::kSubmitting);
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  expect_one_picture(execution);
  EXPECT_EQ(lab_.row(execution).outcome_proof, "found_by_look");
  EXPECT_EQ(lab_.ledger("post"), 1);
}

// As before, and the prompt has ended before anybody looks.
TEST_P(GenerationTest, AnEndedPromptWhoseAnswerWasLostIsFoundInTheHistory) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.fault(R"({"fault": "silent", "at": "post_after_queue", "count": 1})");
  const auto execution = lab_.order(simple_graph(5));
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("started", execution) == 1; }));
  lab_.kill_bridge();
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("ended", execution) == 1; }));
  ASSERT_EQ(lab_.row(execution).state, ExecutionState::kSubmitting);
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  expect_one_picture(execution);
  EXPECT_EQ(lab_.ledger("post"), 1);
}

// Others went on working at the server for long before anybody looks.
TEST_P(GenerationTest, AnEndedPromptIsFoundBehindManyPromptsOfOthers) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.fault(R"({"fault": "silent", "at": "post_after_queue", "count": 1})");
  const auto execution = lab_.order(simple_graph(5));
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("started", execution) == 1; }));
  lab_.kill_bridge();
  constexpr int kOthers = 80;
  for (int i = 0; i < kOthers; ++i) lab_.strangers_prompt(simple_graph(6));
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("ended") == kOthers + 1; }));
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  expect_one_picture(execution);
  EXPECT_EQ(lab_.row(execution).outcome_proof, "found_by_look");
}

TEST_P(GenerationTest, AnAnswerOfAProxyIsLookedIntoAndThePromptFollowed) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.fault(R"({"fault": "error", "at": "post_after_queue", "status": 502, "count": 1})");
  const auto execution = lab_.order(slow_graph(0.5, 1));
  ASSERT_TRUE(lab_.until_final(execution));
  expect_one_picture(execution);
  EXPECT_EQ(lab_.ledger("post"), 1);
}

// A picture that is only shown has no prefix to make unique: the second run is answered from the server's cache.
TEST_P(GenerationTest, OutputsOfACachedRunComeFromTheHistory) {
  ASSERT_TRUE(lab_.until_connected());
  const std::string graph = "{" + pictures(1, 3) + "," + node(3, "PreviewImage", R"("images":["1",0])") + "}";
  const auto first = lab_.order(graph);
  ASSERT_TRUE(lab_.until_final(first));
  expect_one_picture(first);
  const auto second = lab_.order(graph);
  ASSERT_TRUE(lab_.until_final(second));
  expect_one_picture(second);
  EXPECT_EQ(lab_.outputs(second)[0].sha256, lab_.outputs(first)[0].sha256);
  EXPECT_EQ(lab_.ledger("node", second), 0) << "it was not cached";
}

TEST_P(GenerationTest, AServerThatWasRestartedHasLostThePrompt) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(30, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.sim().kill();
  lab_.sim().start_again(release(GetParam()));
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kLost);
  EXPECT_EQ(lab_.row(execution).error->code, "execution_lost");
  // The instance works again.
  ASSERT_TRUE(lab_.until_connected());
  const auto next = lab_.order(simple_graph(9));
  ASSERT_TRUE(lab_.until_final(next));
  expect_one_picture(next);
  EXPECT_EQ(lab_.ledger("post"), 2) << "what was lost is not sent again";
}

TEST_P(GenerationTest, SomebodyElsesInterruptIsNamed) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(30, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.interrupt_as_stranger();
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kFailed);
  EXPECT_EQ(lab_.row(execution).error->code, "interrupted_by_other");
}

TEST_P(GenerationTest, AFailedNodeIsNamed) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution =
      lab_.order("{" + pictures(1, 4) + "," + node(2, "BridgeFail", R"("image":["1",0],"message":"no luck")") + "," +
                 node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"pic")") + "}");
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kFailed);
  ASSERT_TRUE(lab_.row(execution).error);
  EXPECT_EQ(lab_.row(execution).error->code, "node_error");
  EXPECT_EQ(lab_.row(execution).error->node_id, "2");
  EXPECT_THAT(lab_.row(execution).error->message, ::testing::HasSubstr("no luck"));
}

// Where the server can only interrupt whatever runs, a wish waits until nobody else can be hit.
TEST_P(GenerationTest, ACancelNeverHitsAStrangersPromptBehindOurs) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(2.0, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.strangers_prompt(slow_graph(0.3, 2));
  lab_.wish_cancel(execution);
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, old() ? ExecutionState::kCompleted : ExecutionState::kCancelled);
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("ended") == 2; }));
  EXPECT_EQ(lab_.ledger("interrupted"), old() ? 0 : 1);
}

}  // namespace
}  // namespace renderyard::testing
