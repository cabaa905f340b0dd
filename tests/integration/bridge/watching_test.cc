// What the bridge tells of its work while it does it: the stream of events, and every metric, moved by what it counts.
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

std::string graph_with_previews(double seconds, int salt) {
  return "{" + pictures(1, 7) + "," + slow_node(seconds, salt, "JPEG") + "," +
         node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"slow")") + "}";
}

class WatchingTest : public ::testing::Test {
 protected:
  template <class T>
  std::vector<T> heard() const {
    std::vector<T> some;
    for (const ports::BridgeEvent& event : events_) {
      if (const auto* one = std::get_if<T>(&event)) some.push_back(*one);
    }
    return some;
  }
  void run_one(const std::string& graph) {
    const auto execution = lab_.order(graph);
    ASSERT_TRUE(lab_.until_final(execution));
    ASSERT_EQ(lab_.row(execution).state, ExecutionState::kCompleted);
  }

  std::vector<ports::BridgeEvent> events_;
  BridgeLab lab_{{"--generation", "0.33.0"}};
};

TEST_F(WatchingTest, AJobIsSeenFromItsFirstNodeToItsOutputs) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.watch(true, events_);
  const auto execution = lab_.order(graph_with_previews(1, 1));
  ASSERT_TRUE(lab_.until([&] { return !heard<ports::ExecutionEnded>().empty(); }));

  const auto instances = heard<ports::InstanceNews>();
  ASSERT_FALSE(instances.empty());
  EXPECT_EQ(instances[0].status, ports::InstanceStatus::kConnected);
  EXPECT_EQ(instances[0].id, lab_.instance().id);

  const auto nodes = heard<ports::NodeStarted>();
  const auto slow = std::find_if(nodes.begin(), nodes.end(), [](const auto& node) { return node.node_id == "2"; });
  ASSERT_NE(slow, nodes.end());
  EXPECT_EQ(slow->node_class, "BridgeSlow");
  EXPECT_EQ(slow->execution.execution_id, execution);
  EXPECT_EQ(slow->execution.prompt_id, lab_.row(execution).client_prompt_id);

  const auto progress = heard<ports::ProgressNews>();
  ASSERT_GE(progress.size(), 3u);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end(),
                             [](const auto& a, const auto& b) { return a.progress.percent < b.progress.percent; }));
  EXPECT_GT(progress.back().progress.percent, 60);

  const auto previews = heard<ports::Preview>();
  ASSERT_FALSE(previews.empty());
  EXPECT_EQ(previews.back().content_type, "image/jpeg");
  EXPECT_TRUE(previews.back().image->starts_with("\xff\xd8"));
  EXPECT_EQ(previews.back().node_id, "2");

  ASSERT_TRUE(std::holds_alternative<ports::ExecutionEnded>(events_.back()));
  const auto end = heard<ports::ExecutionEnded>().at(0);
  EXPECT_EQ(end.state, ExecutionState::kCompleted);
  ASSERT_EQ(end.outputs.size(), 1u);
  EXPECT_EQ(end.outputs[0].sha256, lab_.outputs(execution).at(0).sha256);
}

TEST_F(WatchingTest, WhatTheSocketAloneBringsIsNoPreview) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.watch(true, events_);
  run_one("{" + pictures(2, 9) + "," + node(2, "SaveImageWebsocket", R"("images":["1",0])") + "}");
  ASSERT_TRUE(lab_.until([&] { return !heard<ports::ExecutionEnded>().empty(); }));
  EXPECT_EQ(heard<ports::Preview>().size(), 0u);
  EXPECT_EQ(heard<ports::ExecutionEnded>()[0].outputs.size(), 2u);
}

TEST_F(WatchingTest, ACancelledJobAndABrokenConnectionAreTold) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.watch(false, events_);
  const auto execution = lab_.order(slow_graph(20, 1));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.fault(R"({"fault":"drop","at":"now"})");
  ASSERT_TRUE(lab_.until([&] {
    const auto states = heard<ports::InstanceNews>();
    return states.size() >= 3 && states.back().status == ports::InstanceStatus::kConnected;
  }));
  const auto states = heard<ports::InstanceNews>();
  EXPECT_TRUE(std::any_of(states.begin(), states.end(), [](const auto& state) {
    return state.status == ports::InstanceStatus::kReconnecting && !state.reason.empty();
  }));
  lab_.wish_cancel(execution);
  ASSERT_TRUE(lab_.until([&] { return !heard<ports::ExecutionEnded>().empty(); }));
  EXPECT_EQ(heard<ports::ExecutionEnded>()[0].state, ExecutionState::kCancelled);
  EXPECT_EQ(heard<ports::Preview>().size(), 0u);
}

TEST_F(WatchingTest, EveryMetricMovesByWhatItCounts) {
  ASSERT_TRUE(lab_.until_connected());
  EXPECT_EQ(lab_.metric("connections{state=\"connected\"}"), 1);
  EXPECT_EQ(lab_.metric("connections"), 1);
  EXPECT_EQ(lab_.metric("connects_total"), 1);
  EXPECT_EQ(lab_.metric("connect_seconds_count"), 1);
  lab_.watch(false, events_);
  EXPECT_EQ(lab_.metric("subscribers"), 1);

  run_one(slow_graph(0.6, 1));
  for (const char* type :
       {"status", "execution_start", "executing", "progress_state", "executed", "execution_success"}) {
    EXPECT_GE(lab_.metric("messages_total{type=\"" + std::string(type) + "\"}"), 1) << type;
  }
  EXPECT_GE(lab_.metric("pushes_total"), 2);
  EXPECT_EQ(lab_.metric("progress_latency_seconds_count"), lab_.metric("pushes_total"));
  EXPECT_GT(lab_.metric("collected_bytes_total"), 100);
  ASSERT_TRUE(lab_.until([&] { return lab_.metric("executions_total") == 1; }));
  EXPECT_EQ(lab_.metric("execution_seconds_count"), 1);
  EXPECT_EQ(lab_.count_in_journal("comfyui_job_websocket_completed"), 1);

  lab_.fault(R"({"fault":"drop","at":"now"})");
  ASSERT_TRUE(lab_.until([&] { return lab_.metric("reconnects_total") == 1; }));

  lab_.strangers_prompt(simple_graph(5), "ry-1-1");
  ASSERT_TRUE(lab_.until([&] { return lab_.metric("strays_total") == 1; }));

  const auto adopted = lab_.order(slow_graph(2, 2));
  ASSERT_TRUE(lab_.until_state(adopted, ExecutionState::kRunning));
  lab_.kill_bridge();
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(adopted));
  EXPECT_EQ(lab_.metric("adoptions_total"), 1);
  ASSERT_TRUE(lab_.until([&] { return lab_.metric("adoption_outcomes_total{outcome=\"completed\"}") == 1; }));
  EXPECT_GE(lab_.metric("polls_total"), 1);

  lab_.fault(R"({"fault":"deaf","at":"now"})");
  run_one(slow_graph(3, 3));
  EXPECT_GE(lab_.metric("deaf_sockets_total"), 1);
}

TEST(WatchingWithoutSocketTest, AJobServedByPollingIsCountedSo) {
  BridgeLab lab({"--generation", "0.33.0"}, "ws://127.0.0.1:1");
  ASSERT_TRUE(lab.until([&] { return lab.instance().status == ports::InstanceStatus::kPolling; }));
  EXPECT_EQ(lab.metric("connections{state=\"polling\"}"), 1);
  EXPECT_GE(lab.metric("connect_failures_total"), 1);
  const auto execution = lab.order(slow_graph(1, 1));
  ASSERT_TRUE(lab.until_final(execution));
  ASSERT_TRUE(lab.until([&] { return lab.metric("executions_total") == 1; }));
  EXPECT_EQ(lab.metric("executions_total{method=\"polling\",outcome=\"completed\"}"), 1);
  EXPECT_EQ(lab.metric("fallbacks_total{reason=\"connection_failed\"}"), 1);
  EXPECT_GE(lab.metric("polls_total"), 2);
  EXPECT_EQ(lab.count_in_journal("comfyui_websocket_fallback"), 1);
}

}  // namespace
}  // namespace renderyard::testing
