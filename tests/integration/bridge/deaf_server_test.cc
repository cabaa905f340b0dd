// Servers whose sockets are open and of no use: found by an unanswered ping or by silence where words are due; jobs are
// followed by asking meanwhile, and by the socket again when there is one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/meddler.h"
#include "tests/integration/bridge/told.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;
using ports::InstanceStatus;

void hurry(bridge::Config& config) {
  config.ping_every = absl::Milliseconds(300);
  config.ping_deadline = absl::Milliseconds(500);
  config.connect_deadline = absl::Milliseconds(500);
  config.close_deadline = absl::Milliseconds(300);
  config.status_after_post = absl::Milliseconds(500);
}

class DeafServerTest : public ::testing::TestWithParam<const char*> {
 protected:
  DeafServerTest() {
    BridgeLab::Way way;
    way.url = [&](const std::string& server) {
      front_ = std::make_unique<Meddler>(server);
      return front_->url();
    };
    way.settings = hurry;
    lab_ = std::make_unique<BridgeLab>(std::vector<std::string>{"--generation", GetParam()}, std::move(way));
  }
  [[nodiscard]] bool until_status(InstanceStatus status) {
    return lab_->until([&] { return lab_->instance().status == status; });
  }
  void expect_done(ports::ExecutionId execution) {
    ASSERT_TRUE(lab_->until_final(execution));
    EXPECT_EQ(lab_->row(execution).state, ExecutionState::kCompleted);
    EXPECT_EQ(lab_->outputs(execution).size(), 1u);
    EXPECT_EQ(lab_->ledger("started", execution), 1);
  }
  double completed_by(const std::string& method) {
    return lab_->metric("executions_total{method=\"" + method + "\",outcome=\"completed\"}");
  }
  [[nodiscard]] bool until_completed_by(const std::string& method, int count) {
    return lab_->until([&] { return completed_by(method) == count; });
  }

  std::unique_ptr<Meddler> front_;
  std::unique_ptr<BridgeLab> lab_;
};

INSTANTIATE_TEST_SUITE_P(Releases, DeafServerTest, ::testing::Values("2024-06-30", "0.33.0"),
                         [](const auto& param) { return std::string(param.param) == "0.33.0" ? "Newest" : "Oldest"; });

TEST_P(DeafServerTest, AnIdleSocketThatAnswersNoPingIsOpenedAgain) {
  ASSERT_TRUE(lab_->until_connected());
  front_->deafen();
  ASSERT_TRUE(lab_->until([&] { return lab_->metric("reconnects_total") >= 1; }));
  ASSERT_TRUE(until_status(InstanceStatus::kConnected));
  ASSERT_FALSE(lines_of(*lab_, "comfyui_websocket_disconnected").empty());
  EXPECT_THAT(lines_of(*lab_, "comfyui_websocket_disconnected")[0], ::testing::HasSubstr("no answer to a ping"));
  EXPECT_EQ(lab_->metric("polls_total"), 0) << "nothing was there to ask for";
  const auto execution = lab_->order(simple_graph(1));
  expect_done(execution);
}

TEST_P(DeafServerTest, AJobIsFollowedByAskingUntilThereIsASocketAgain) {
  ASSERT_TRUE(lab_->until_connected());
  const auto first = lab_->order(slow_graph(4.0, 1));
  ASSERT_TRUE(lab_->until_state(first, ExecutionState::kRunning));
  front_->hush(true);
  front_->deafen();
  ASSERT_TRUE(until_status(InstanceStatus::kPolling));
  EXPECT_EQ(lab_->row(first).state, ExecutionState::kRunning) << "it was found after the job's end";
  EXPECT_EQ(lab_->metric("connections{state=\"polling\"}"), 1);
  EXPECT_EQ(lab_->metric("connections{state=\"connected\"}"), 0);
  expect_done(first);
  ASSERT_TRUE(until_completed_by("polling", 1));
  EXPECT_EQ(lab_->metric("fallbacks_total"), 1);
  EXPECT_EQ(lab_->count_in_journal("comfyui_websocket_fallback"), 1);

  const auto second = lab_->order(slow_graph(0.5, 2));
  expect_done(second);
  ASSERT_TRUE(until_completed_by("polling", 2));
  EXPECT_EQ(lab_->instance().status, InstanceStatus::kPolling);

  front_->hush(false);
  ASSERT_TRUE(until_status(InstanceStatus::kConnected));
  EXPECT_FALSE(lab_->instance().status_reason);
  EXPECT_EQ(lab_->metric("connections{state=\"connected\"}"), 1);
  EXPECT_EQ(lab_->metric("connections{state=\"polling\"}"), 0);
  EXPECT_EQ(lab_->metric("reconnects_total"), 1);
  const double polls = lab_->metric("polls_total");
  const auto third = lab_->order(slow_graph(0.5, 3));
  expect_done(third);
  ASSERT_TRUE(until_completed_by("websocket", 1));
  EXPECT_EQ(lab_->metric("polls_total"), polls) << "asked for, though there is a socket";
}

// Pings are answered, and nothing else comes: reopened twice, then left alone until it speaks.
TEST_P(DeafServerTest, ASocketThatStaysSilentIsNotReopenedForEver) {
  ASSERT_TRUE(lab_->until_connected());
  front_->silence(true);
  int salt = 0;
  while (lab_->instance().status != InstanceStatus::kPolling && salt < 5)
    expect_done(lab_->order(slow_graph(1, ++salt)));
  ASSERT_EQ(lab_->instance().status, InstanceStatus::kPolling);
  EXPECT_THAT(lab_->instance().status_reason.value_or(""), ::testing::HasSubstr("stream_blocked"));
  EXPECT_EQ(lab_->metric("deaf_sockets_total"), 2);
  const int opened = lab_->count_in_journal("comfyui_websocket_connected");
  EXPECT_EQ(opened, 3);
  expect_done(lab_->order(slow_graph(1, ++salt)));
  EXPECT_EQ(lab_->count_in_journal("comfyui_websocket_connected"), opened) << "it was reopened once more";

  front_->silence(false);
  expect_done(lab_->order(slow_graph(1, ++salt)));
  ASSERT_TRUE(until_status(InstanceStatus::kConnected));
  const double before = completed_by("websocket");
  expect_done(lab_->order(slow_graph(1, ++salt)));
  ASSERT_TRUE(lab_->until([&] { return completed_by("websocket") == before + 1; }));
}

}  // namespace
}  // namespace renderyard::testing
