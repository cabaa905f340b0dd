#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "services/bridge/execution.h"
#include "tests/unit/base_process.h"

namespace renderyard::bridge {
namespace {

using Wakes = Execution::ProgressWakes;

constexpr char kPrompt[] = "8d1d0f4e-0c7a-4a54-9f2e-0a6d5c1b2e3f";

class BridgeExecutionTest : public ::testing::Test {
 protected:
  BridgeExecutionTest() : execution_(row(), process_.strand(), process_.clock()) {}

  static ports::ExecutionRow row() {
    ports::ExecutionRow row;
    row.client_prompt_id = kPrompt;
    row.state = domain::ExecutionState::kRunning;
    return row;
  }

  // Does this message wake whoever follows the execution?
  bool wakes(const domain::ComfyMessage& message) {
    std::optional<absl::Status> woken;
    process_.start(execution_.changed().wait_until(process_.in(absl::Seconds(1))), &woken);
    process_.settle();
    execution_.hear(message, 1);
    process_.world().run_to(process_.world().now() + absl::Seconds(2));
    return woken.has_value() && woken->ok();
  }

  static domain::NodeProgress progress(int value) {
    domain::NodeProgress message;
    message.prompt_id = kPrompt;
    message.node = "3";
    message.value = value;
    message.max = 20;
    return message;
  }

  base::OneProcess process_;
  Execution execution_;
};

TEST_F(BridgeExecutionTest, ProgressWakesUntilItsTimeIsSet) {
  EXPECT_TRUE(wakes(progress(1)));
  execution_.progress_wakes = Wakes::kNever;
  EXPECT_FALSE(wakes(progress(2)));
  EXPECT_FALSE(wakes(domain::ProgressState{kPrompt, {}}));
  EXPECT_EQ(execution_.last_heard_at(), process_.world().now() - absl::Seconds(2)) << "it was heard all the same";
  execution_.progress_wakes = Wakes::kAlways;
  EXPECT_TRUE(wakes(progress(3)));
}

// 20 nodes of 20 steps: a step is a quarter of a percent.
TEST_F(BridgeExecutionTest, ProgressThatMakesNoDifferenceWakesNobodyAndIsNoNews) {
  domain::WorkflowInfo graph;
  for (int n = 1; n <= 20; ++n) graph.nodes[std::to_string(n)].class_type = "KSampler";
  execution_.load(std::move(graph));
  EXPECT_TRUE(wakes(progress(1)));
  execution_.row.progress_percent = execution_.progress.percent();
  execution_.row.current_node = execution_.progress.current_node();
  execution_.progress_heard_at = absl::InfiniteFuture();
  ASSERT_FALSE(execution_.has_progress_news());

  execution_.progress_wakes = Wakes::kByNews;
  EXPECT_FALSE(wakes(progress(2)));
  EXPECT_EQ(execution_.progress_heard_at, absl::InfiniteFuture());
  EXPECT_EQ(execution_.progress_wakes, Wakes::kByNews);
  int step = 3;
  bool woken = false;
  while (!woken && step < 20) woken = wakes(progress(step++));
  EXPECT_TRUE(woken) << "a percent more was heard by nobody";
  EXPECT_LT(step, 9);
  EXPECT_TRUE(execution_.has_progress_news());
  EXPECT_EQ(execution_.progress_heard_at, execution_.last_heard_at());
  EXPECT_FALSE(wakes(progress(step))) << "whoever was woken looks at all there is";
}

TEST_F(BridgeExecutionTest, WhatMustBeActedOnWakesAlways) {
  for (const Wakes wakes_by : {Wakes::kByNews, Wakes::kNever}) {
    execution_.progress_wakes = wakes_by;
    EXPECT_TRUE(wakes(domain::ExecutionStart{kPrompt}));
    EXPECT_TRUE(wakes(domain::ExecutionSuccess{kPrompt, std::nullopt}));
    domain::Executing over;
    over.prompt_id = kPrompt;
    EXPECT_TRUE(wakes(over));
  }
}

}  // namespace
}  // namespace renderyard::bridge
