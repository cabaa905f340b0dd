#include <gtest/gtest.h>

#include <optional>

#include "services/bridge/execution.h"
#include "tests/unit/base_process.h"

namespace renderyard::bridge {
namespace {

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

TEST_F(BridgeExecutionTest, ProgressWakesUntilItIsMuted) {
  EXPECT_TRUE(wakes(progress(1)));
  execution_.progress_muted = true;
  EXPECT_FALSE(wakes(progress(2)));
  EXPECT_FALSE(wakes(domain::ProgressState{kPrompt, {}}));
  EXPECT_EQ(execution_.last_heard_at(), process_.world().now() - absl::Seconds(2)) << "it was heard all the same";
  execution_.progress_muted = false;
  EXPECT_TRUE(wakes(progress(3)));
}

TEST_F(BridgeExecutionTest, WhatMustBeActedOnWakesAlways) {
  execution_.progress_muted = true;
  EXPECT_TRUE(wakes(domain::ExecutionStart{kPrompt}));
  EXPECT_TRUE(wakes(domain::ExecutionSuccess{kPrompt, std::nullopt}));
  domain::Executing over;
  over.prompt_id = kPrompt;
  EXPECT_TRUE(wakes(over));
}

}  // namespace
}  // namespace renderyard::bridge
