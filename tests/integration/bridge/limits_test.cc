// The bridge holds running prompts to their jobs' limits, and keeps work away from instances that are not fit: a worker
// that does not stop, faults of the server itself, messages that kill their readers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"

namespace renderyard::testing {
namespace {

using domain::Quarantine;
using ports::ExecutionState;
using ::testing::HasSubstr;

std::string limits(const std::string& name, int seconds) {
  return R"({"limits":{")" + name + R"(":)" + std::to_string(seconds) + "}}";
}

// 2 sleeps and does not look whether it is interrupted.
std::string deaf_graph(double seconds, int salt) {
  return "{" + pictures(1, 7) + "," +
         node(2, "BridgeDeaf",
              R"("image":["1",0],"seconds":)" + std::to_string(seconds) + R"(,"salt":)" + std::to_string(salt)) +
         "," + node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"deaf")") + "}";
}

std::string failing_graph(const std::string& message, int salt) {
  return "{" + pictures(1, 4) + "," +
         node(2, "BridgeFail", R"("image":["1",0],"message":")" + message + R"(","salt":)" + std::to_string(salt)) +
         "," + node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"pic")") + "}";
}

class LimitsTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::string error_of(ports::ExecutionId execution) const {
    const auto& error = lab_.row(execution).error;
    return error ? error->code : "";
  }
  [[nodiscard]] bool until_quarantined(bool wanted) {
    return lab_.until([&] { return lab_.instance().quarantined_at.has_value() == wanted; });
  }
  void expect_that_it_works() {
    const auto next = lab_.order(simple_graph(++color_));
    ASSERT_TRUE(lab_.until_final(next));
    EXPECT_EQ(lab_.row(next).state, ExecutionState::kCompleted);
  }

  BridgeLab lab_{{"--generation", GetParam()}};
  int color_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Releases, LimitsTest, ::testing::Values("2024-06-30", "0.33.0"),
                         [](const auto& param) { return std::string(param.param) == "0.33.0" ? "Newest" : "Oldest"; });

TEST_P(LimitsTest, APromptThatRunsTooLongIsStoppedAndTheInstanceGoesOn) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(30, 1), limits("run_secs", 1));
  ASSERT_TRUE(lab_.until_final(execution));
  const ports::ExecutionRow& row = lab_.row(execution);
  EXPECT_EQ(row.state, ExecutionState::kFailed);
  EXPECT_EQ(error_of(execution), "limit_run");
  EXPECT_EQ(row.error->node_id, "2");
  EXPECT_EQ(row.error->node_class, "BridgeSlow");
  EXPECT_GE(*row.ended_at, *row.started_at + absl::Seconds(1)) << "too early";
  EXPECT_EQ(lab_.ledger("interrupted", execution), 1);
  EXPECT_FALSE(lab_.instance().quarantined_at) << "it stopped in time";
  expect_that_it_works();
}

TEST_P(LimitsTest, APromptWithinItsLimitsIsLeftAlone) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(2.5, 1), R"({"limits":{"run_secs":60,"silence_secs":1}})");
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCompleted) << error_of(execution);
  EXPECT_FALSE(lab_.row(execution).limit_passed);
}

TEST_P(LimitsTest, ASilentPromptIsStoppedAndGivenUpAndItsInstanceIsInQuarantineUntilItIsGone) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(deaf_graph(8, 1), limits("silence_secs", 1));
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(error_of(execution), "limit_silence");
  EXPECT_TRUE(lab_.row(execution).stray_seen_at);
  ASSERT_TRUE(until_quarantined(true));
  EXPECT_EQ(lab_.instance().quarantine, Quarantine::kWorkerDead);
  EXPECT_EQ(lab_.instance().quarantined_by, execution);
  EXPECT_EQ(lab_.free_slots(), 0u);
  EXPECT_EQ(lab_.ledger("ended", execution), 0);
  ASSERT_TRUE(until_quarantined(false));
  EXPECT_EQ(lab_.ledger("ended", execution), 1);
  ASSERT_TRUE(lab_.row(execution).stray_outcome);
  EXPECT_EQ(lab_.row(execution).stray_outcome, "interrupted");
  EXPECT_EQ(lab_.free_slots(), 1u);
  expect_that_it_works();
}

TEST_P(LimitsTest, ADeadWorkerIsQuarantinedUntilTheServerIsStartedAgain) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.fault(R"({"fault": "worker_death", "at": "mid_run", "count": 1})");
  const auto execution = lab_.order(slow_graph(1, 1), limits("run_secs", 2));
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(error_of(execution), "limit_run");
  ASSERT_TRUE(until_quarantined(true));
  // The next bridge finds it in the row.
  lab_.kill_bridge();
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_connected());
  EXPECT_EQ(lab_.free_slots(), 0u);
  lab_.sim().kill();
  lab_.sim().start_again({"--generation", GetParam()});
  ASSERT_TRUE(until_quarantined(false));
  EXPECT_EQ(lab_.row(execution).stray_outcome, "vanished");
  ASSERT_TRUE(lab_.until_connected());
  expect_that_it_works();
}

TEST_P(LimitsTest, AnOperatorMayReleaseAnInstance) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(deaf_graph(6, 1), limits("run_secs", 1));
  ASSERT_TRUE(lab_.until_final(execution));
  ASSERT_TRUE(until_quarantined(true));
  lab_.release_instance();
  EXPECT_EQ(lab_.free_slots(), 1u);
  ASSERT_TRUE(lab_.until([&] { return lab_.count_in_journal("instance_quarantine_released") == 1; }));
  EXPECT_EQ(lab_.count_in_journal("instance_quarantine_lifted"), 0);
  expect_that_it_works();
}

TEST_P(LimitsTest, WhatAnOperatorReleasedIsNoCauseAgain) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(deaf_graph(12, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.wish_cancel(execution);
  ASSERT_TRUE(until_quarantined(true));
  // It is asked to stop again meanwhile, and does not.
  const std::int64_t asked = lab_.count_in_journal("cancel_asked");
  ASSERT_TRUE(lab_.until([&] { return lab_.count_in_journal("cancel_asked") > asked; }));
  EXPECT_EQ(lab_.count_in_journal("instance_quarantined"), 1) << "it is told once";
  lab_.release_instance();
  ASSERT_TRUE(lab_.until([&] { return lab_.count_in_journal("instance_quarantine_released") == 1; }));
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.count_in_journal("instance_quarantined"), 1);
  EXPECT_FALSE(lab_.instance().quarantined_at);
}

TEST_P(LimitsTest, TheLimitGoesOnCountingWhenTheBridgeDies) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(30, 1), limits("run_secs", 3));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.kill_bridge();
  const absl::Time started = *lab_.row(execution).started_at;
  ASSERT_TRUE(lab_.until([&] { return absl::Now() > started + absl::Seconds(4); }));
  EXPECT_FALSE(lab_.row(execution).limit_passed) << "nobody looks";
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(error_of(execution), "limit_run");
  EXPECT_LT(*lab_.row(execution).ended_at, started + absl::Seconds(7)) << "it began to count anew";
}

TEST_P(LimitsTest, FaultsOfTheInstanceOpenItsCircuitAndAnOperatorClosesIt) {
  ASSERT_TRUE(lab_.until_connected());
  const std::string message = "CUDA error: an illegal memory access was encountered";
  for (int n = 1; n <= domain::kFaultsToOpen; ++n) {
    EXPECT_EQ(lab_.free_slots(), 1u) << n;
    const auto execution = lab_.order(failing_graph(message, n));
    ASSERT_TRUE(lab_.until_final(execution));
    EXPECT_EQ(error_of(execution), "instance_fault");
    EXPECT_EQ(lab_.row(execution).error->node_id, "2");
    EXPECT_EQ(lab_.row(execution).error->node_class, "BridgeFail");
    EXPECT_THAT(lab_.row(execution).error->message, HasSubstr("illegal memory access"));
    EXPECT_EQ(lab_.instance().circuit.faults, n);
  }
  EXPECT_TRUE(lab_.instance().circuit.open_until);
  EXPECT_THAT(lab_.instance().circuit.reason, HasSubstr("device: CUDA error"));
  EXPECT_EQ(lab_.free_slots(), 0u);
  lab_.release_instance();
  EXPECT_EQ(lab_.free_slots(), 1u);
  expect_that_it_works();
}

TEST_P(LimitsTest, ASuccessAndAWorkflowsFaultBetweenFaultsOfTheInstance) {
  ASSERT_TRUE(lab_.until_connected());
  const auto fail = [&](const std::string& message, int salt) {
    const auto execution = lab_.order(failing_graph(message, salt));
    EXPECT_TRUE(lab_.until_final(execution));
    return error_of(execution);
  };
  EXPECT_EQ(fail("Allocation on device 0 would exceed allowed memory. (out of memory)", 1), "out_of_memory");
  EXPECT_EQ(fail("CUDA out of memory. Tried to allocate 9 GiB", 2), "out_of_memory");
  EXPECT_EQ(fail("shapes cannot be multiplied", 3), "node_error");
  EXPECT_EQ(lab_.instance().circuit.faults, 2);
  expect_that_it_works();
  EXPECT_EQ(lab_.instance().circuit, domain::Circuit());
  lab_.fault(R"({"fault": "disk_full", "count": 1})");
  const auto full = lab_.order(simple_graph(77));
  ASSERT_TRUE(lab_.until_final(full));
  EXPECT_EQ(error_of(full), "instance_fault");
  EXPECT_THAT(lab_.instance().circuit.reason, HasSubstr("disk: "));
  EXPECT_EQ(lab_.free_slots(), 1u);
}

// Without any limit: a person wants it to stop, and it does not.
TEST_P(LimitsTest, ACancelThatStopsNothingKeepsWorkAwayUntilThePromptIsGone) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(deaf_graph(8, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.wish_cancel(execution);
  ASSERT_TRUE(until_quarantined(true));
  EXPECT_EQ(lab_.instance().quarantine, Quarantine::kWorkerDead);
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kRunning) << "it may stop yet";
  ASSERT_TRUE(lab_.until([&] { return lab_.job(execution).progress_message.has_value(); }));
  EXPECT_THAT(*lab_.job(execution).progress_message, HasSubstr("does not stop"));
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCancelled) << error_of(execution);
  ASSERT_TRUE(until_quarantined(false));
  expect_that_it_works();
}

// The oldest release can only interrupt whatever runs; newer ones can tell whom they interrupt.
TEST(LimitsOfTheOldestTest, OnASharedServerNothingIsInterruptedThatMayBeSomebodyElses) {
  BridgeLab lab({"--generation", "2024-06-30"});
  ports::InstanceChange change;
  change.shared_instance = true;
  lab.change(std::move(change));
  ASSERT_TRUE(lab.until_connected());
  const auto execution = lab.order(slow_graph(6, 1), limits("run_secs", 1));
  ASSERT_TRUE(lab.until_final(execution));
  ASSERT_TRUE(lab.row(execution).error);
  EXPECT_EQ(lab.row(execution).error->code, "limit_run");
  ASSERT_TRUE(lab.until([&] { return lab.instance().quarantined_at.has_value(); }));
  ASSERT_TRUE(lab.until([&] { return !lab.instance().quarantined_at; }));
  EXPECT_EQ(lab.ledger("interrupted"), 0);
  EXPECT_EQ(lab.row(execution).stray_outcome, "completed");
}

// Each bridge dies when it reads of the progress of this prompt. The third that adopts it does not listen.
TEST_P(LimitsTest, APromptWhoseMessagesKillTheBridgeIsFollowedByRest) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(6, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.make_deadly([](const domain::ComfyMessage& message) {
    return std::holds_alternative<domain::NodeProgress>(message) ||
           std::holds_alternative<domain::ProgressState>(message);
  });
  ASSERT_TRUE(until_quarantined(true));
  EXPECT_EQ(lab_.instance().quarantine, Quarantine::kPoisonedAdoption);
  EXPECT_EQ(lab_.instance().quarantined_by, execution);
  EXPECT_EQ(lab_.free_slots(), 0u);
  EXPECT_EQ(lab_.row(execution).adoption_run, domain::kPoisonedRun);
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCompleted) << error_of(execution);
  EXPECT_EQ(lab_.crashes(), domain::kPoisonedRun) << "the poster and two adopters";
  EXPECT_EQ(lab_.outputs(execution).size(), 1u);
  EXPECT_EQ(lab_.ledger("post"), 1);
  ASSERT_TRUE(until_quarantined(false));
  EXPECT_EQ(lab_.free_slots(), 1u);
}

}  // namespace
}  // namespace renderyard::testing
