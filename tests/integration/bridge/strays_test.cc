// Prompts of dead executions that go on all the same: one of which nobody could know, and one that was counted absent
// and surfaces later than any evidence allows for. They are found, stopped where that can hit no other prompt, and
// recorded.
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;

void hurry(bridge::Config& config) {
  config.post_deadline = absl::Seconds(1);
  config.request_deadline = absl::Seconds(1);
  config.unclear_look_every = absl::Milliseconds(300);
  config.unclear_limit = absl::Seconds(2);
}

class StraysTest : public ::testing::TestWithParam<const char*> {
 protected:
  bool old() const { return std::string_view(GetParam()) == "2024-06-30"; }
  [[nodiscard]] bool until_recorded(ports::ExecutionId execution) {
    return lab_.until([&] { return lab_.row(execution).stray_seen_at.has_value(); }, absl::Seconds(40));
  }
  // The prompt is in the queue, and neither answer nor look nor socket says so until its execution has been given up.
  ports::ExecutionId unclear(double seconds) {
    lab_.fault(R"([{"fault": "silent", "at": "post_after_queue", "count": 1},
                   {"fault": "error", "at": "answer", "status": 503, "path": "/queue"},
                   {"fault": "error", "at": "answer", "status": 503, "path": "/history"}])");
    lab_.fault(R"({"fault": "deaf"})");
    const auto execution = lab_.order(slow_graph(seconds, 1));
    EXPECT_TRUE(lab_.until_final(execution));
    EXPECT_EQ(lab_.row(execution).state, ExecutionState::kLost);
    EXPECT_EQ(lab_.row(execution).error->code, "submission_unclear");
    return execution;
  }

  BridgeLab lab_{{"--generation", GetParam()}, BridgeLab::Way{.settings = hurry}};
};

INSTANTIATE_TEST_SUITE_P(Releases, StraysTest, ::testing::Values("2024-06-30", "0.3.64", "0.33.0"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
                           return name;
                         });

TEST_P(StraysTest, APromptOfWhichNobodyCouldKnowIsStoppedWhenItIsSeen) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = unclear(old() ? 6.0 : 60);
  EXPECT_FALSE(lab_.row(execution).stray_seen_at);
  lab_.fault(R"({"fault": "clear"})");
  ASSERT_TRUE(until_recorded(execution));
  EXPECT_EQ(lab_.row(execution).stray_outcome, old() ? "completed" : "interrupted");
  EXPECT_EQ(lab_.ledger("interrupted", execution), old() ? 0 : 1);
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kLost) << "a final state never changes";
  EXPECT_TRUE(lab_.outputs(execution).empty());
  EXPECT_EQ(lab_.count_in_journal("stray_seen"), 1);
}

TEST_P(StraysTest, TheNextBridgeLooksForItToo) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = unclear(old() ? 8.0 : 60);
  lab_.kill_bridge();
  lab_.fault(R"({"fault": "clear"})");
  lab_.start_bridge();
  ASSERT_TRUE(until_recorded(execution));
  EXPECT_EQ(lab_.row(execution).stray_outcome, old() ? "completed" : "interrupted");
}

// The assumption of ADR 4 broken: a server that reads a POST later than ten seconds after its connection was gone. The
// job was sent on by then; what surfaces is stopped and says so.
TEST(ReadTooLateTest, WhatSurfacesAfterItsAbsenceWasStrongIsStoppedAndRecorded) {
  BridgeLab lab({}, BridgeLab::Way{.settings = [](bridge::Config& config) {
                  hurry(config);
                  config.unclear_limit = absl::Seconds(60);
                }});
  ASSERT_TRUE(lab.until_connected());
  lab.fault(R"({"fault": "read_late", "delay_ms": 16000, "count": 1})");
  const auto execution = lab.order(slow_graph(60, 1));
  const auto final = [&] { return domain::is_final(lab.row(execution).state); };
  ASSERT_TRUE(lab.until(final, absl::Seconds(30)));
  EXPECT_EQ(lab.row(execution).state, ExecutionState::kNotAccepted);
  EXPECT_EQ(lab.row(execution).outcome_proof, "absent_strong");
  EXPECT_EQ(lab.ledger("started", execution), 0);
  ASSERT_TRUE(lab.until([&] { return lab.row(execution).stray_seen_at.has_value(); }, absl::Seconds(40)));
  EXPECT_EQ(lab.row(execution).stray_outcome, "interrupted");
  EXPECT_EQ(lab.row(execution).state, ExecutionState::kNotAccepted);
  EXPECT_EQ(lab.ledger("interrupted", execution), 1);
}

}  // namespace
}  // namespace renderyard::testing
