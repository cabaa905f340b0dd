// Connections that are gone without an end of TCP: only a ping that nobody answers shows it, and it costs no job.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/told.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;
using ::testing::HasSubstr;

void hurry(bridge::Config& config) {
  config.ping_every = absl::Milliseconds(300);
  config.ping_deadline = absl::Milliseconds(400);
  config.close_deadline = absl::Milliseconds(500);
  // HTTP connections that were open are dead, too; a look that goes out on one ends only so.
  config.request_deadline = absl::Seconds(1);
}

class PingsTest : public ::testing::TestWithParam<const char*> {
 protected:
  void expect_completed(ports::ExecutionId execution) {
    ASSERT_TRUE(lab_.until_final(execution));
    EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCompleted);
    EXPECT_EQ(lab_.outputs(execution).size(), 1u);
    EXPECT_EQ(lab_.ledger("started", execution), 1);
  }

  BridgeLab lab_{{"--generation", GetParam()}, BridgeLab::Way{.settings = hurry}};
};

INSTANTIATE_TEST_SUITE_P(Releases, PingsTest, ::testing::Values("2024-06-30", "0.33.0"), [](const auto& param) {
  std::string name = param.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
  return name;
});

TEST_P(PingsTest, ALineThatIsDeadIsReplacedUnderARunningJob) {
  ASSERT_TRUE(lab_.until_connected());
  EXPECT_EQ(lab_.metric("reconnects_total"), 0);
  const auto execution = lab_.order(slow_graph(5, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.fault(R"({"fault":"half_open"})");
  ASSERT_TRUE(lab_.until([&] { return lab_.metric("reconnects_total") == 1; }));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kRunning) << "found by the ping, not by the job's end";
  const auto lost = lines_of(lab_, "comfyui_websocket_disconnected");
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_THAT(lost[0], HasSubstr("no answer to a ping"));
  ASSERT_TRUE(lab_.until_connected());
  expect_completed(execution);
  // The server took the newer socket of the same client id for the prompt's.
  ASSERT_TRUE(
      lab_.until([&] { return lab_.metric(R"(executions_total{method="websocket",outcome="completed"})") == 1; }));
  EXPECT_EQ(lab_.metric("reconnects_total"), 1) << "the new line answers";
}

// Then its clean-up makes the new line deaf, which answers every ping.
TEST_P(PingsTest, AServerThatFindsTheDeadLineLaterCostsNoJobEither) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(slow_graph(5, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.fault(R"({"fault":"half_open","for_ms":2500})");
  ASSERT_TRUE(lab_.until([&] { return lab_.metric("reconnects_total") == 1; }));
  expect_completed(execution);
  ASSERT_TRUE(lab_.until([&] { return lab_.metric("deaf_sockets_total") == 1; }));
  ASSERT_TRUE(lab_.until([&] { return lab_.metric("reconnects_total") == 2; }));
  ASSERT_TRUE(lab_.until_connected());
  const auto next = lab_.order(slow_graph(0.5, 2));
  expect_completed(next);
  ASSERT_TRUE(lab_.until([&] { return lab_.metric("executions_total") == 2; }));
  EXPECT_GE(lab_.metric(R"(executions_total{method="websocket",outcome="completed"})"), 1);
}

// Nothing is said for ten pings' time, and every one is answered.
TEST_P(PingsTest, ALineThatIsSilentAndAnswersIsKept) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution =
      lab_.order("{" + pictures(1, 7) + "," + node(2, "BridgeDeaf", R"("image":["1",0],"seconds":3.0,"salt":1)") + "," +
                 node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"s")") + "}");
  expect_completed(execution);
  EXPECT_EQ(lab_.metric("connects_total"), 1);
  EXPECT_EQ(lab_.metric("deaf_sockets_total"), 0);
  EXPECT_EQ(lab_.count_in_journal("comfyui_websocket_disconnected"), 0);
}

}  // namespace
}  // namespace renderyard::testing
