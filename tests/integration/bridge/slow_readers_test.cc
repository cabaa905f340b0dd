// Readers of the bridge's events that are too slow: theirs ends with a name, the others get everything; what coalesces
// is progress, and no state of an instance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/meddler.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;
using ports::InstanceStatus;
using Events = std::vector<ports::BridgeEvent>;

template <class T>
std::vector<T> of_kind(const Events& events) {
  std::vector<T> some;
  for (const ports::BridgeEvent& event : events) {
    if (const auto* one = std::get_if<T>(&event)) some.push_back(*one);
  }
  return some;
}

std::vector<InstanceStatus> states_in(const Events& events) {
  std::vector<InstanceStatus> states;
  for (const auto& news : of_kind<ports::InstanceNews>(events)) states.push_back(news.status);
  return states;
}

class SlowReadersTest : public ::testing::Test {
 protected:
  SlowReadersTest() {
    BridgeLab::Way way;
    way.url = [&](const std::string& server) {
      front_ = std::make_unique<Meddler>(server);
      return front_->url();
    };
    way.settings = [](bridge::Config& config) { config.progress_every = absl::ZeroDuration(); };
    lab_ = std::make_unique<BridgeLab>(std::vector<std::string>(), std::move(way));
  }
  // So many beginnings of nodes of the running prompt, and all of them told.
  void begin_nodes(ports::ExecutionId execution, int count) {
    constexpr int kAtOnce = 500;
    const std::string prompt_id = lab_->row(execution).comfyui_prompt_id.value_or("?");
    for (int begun = 0; begun < count; begun += kAtOnce) {
      const double heard = lab_->metric("messages_total{type=\"executing\"}");
      for (int n = 0; n < kAtOnce; ++n) {
        front_->say(1, R"({"type":"executing","data":{"node":")" + std::to_string(1 + n % 3) + R"(","prompt_id":")" +
                           prompt_id + "\"}}");
      }
      ASSERT_TRUE(lab_->until([&] { return lab_->metric("messages_total{type=\"executing\"}") >= heard + kAtOnce; }));
    }
  }

  Events quick_;
  Events slow_;
  std::optional<absl::Status> end_;
  std::unique_ptr<Meddler> front_;
  std::unique_ptr<BridgeLab> lab_;
};

TEST_F(SlowReadersTest, WhoFallsBehindTheBacklogIsEndedByNameAndTheOthersMissNothing) {
  constexpr int kNodes = static_cast<int>(bridge::EventFeed::kBacklog) + 500;
  ASSERT_TRUE(lab_->until_connected());
  lab_->watch(false, quick_);
  const auto read = lab_->watch_later(false, slow_, end_);
  EXPECT_EQ(lab_->metric("subscribers"), 2);
  const auto execution = lab_->order(slow_graph(60, 1));
  ASSERT_TRUE(lab_->until_state(execution, ExecutionState::kRunning));
  begin_nodes(execution, kNodes);
  ASSERT_TRUE(lab_->until([&] { return of_kind<ports::NodeStarted>(quick_).size() >= kNodes; }));
  EXPECT_EQ(lab_->metric("slow_subscribers_total"), 0) << "nobody looked yet";

  read();
  ASSERT_TRUE(lab_->until([&] { return end_.has_value(); }));
  EXPECT_TRUE(absl::IsResourceExhausted(*end_)) << *end_;
  EXPECT_THAT(std::string(end_->message()), ::testing::StartsWith("slow_subscriber: "));
  EXPECT_TRUE(of_kind<ports::NodeStarted>(slow_).empty()) << "a part of the events, as if it were all";
  EXPECT_EQ(lab_->metric("slow_subscribers_total"), 1);

  // Whoever watches again begins with what is now, and the others were not disturbed.
  Events again;
  lab_->watch(false, again);
  lab_->wish_cancel(execution);
  ASSERT_TRUE(lab_->until([&] { return !of_kind<ports::ExecutionEnded>(quick_).empty(); }));
  EXPECT_EQ(of_kind<ports::ExecutionEnded>(quick_)[0].state, ExecutionState::kCancelled);
  ASSERT_TRUE(lab_->until([&] { return !of_kind<ports::ExecutionEnded>(again).empty(); }));
  EXPECT_EQ(states_in(again), std::vector<InstanceStatus>{InstanceStatus::kConnected});
  lab_.reset();
}

TEST_F(SlowReadersTest, ProgressCoalescesAndStatesOfTheInstanceDoNot) {
  ASSERT_TRUE(lab_->until_connected());
  lab_->watch(true, quick_);
  const auto read = lab_->watch_later(true, slow_, end_);
  const auto execution = lab_->order(slow_graph(1.5, 1));
  ASSERT_TRUE(lab_->until_state(execution, ExecutionState::kRunning));
  lab_->fault(R"({"fault":"drop"})");
  ASSERT_TRUE(lab_->until_final(execution));
  lab_->fault(R"({"fault":"drop"})");
  ASSERT_TRUE(lab_->until([&] { return lab_->metric("reconnects_total") == 2; }));
  ASSERT_TRUE(lab_->until_connected());
  ASSERT_TRUE(lab_->until([&] { return of_kind<ports::ExecutionEnded>(quick_).size() == 1; }));
  read();
  ASSERT_TRUE(lab_->until([&] { return states_in(slow_).size() >= states_in(quick_).size(); }));

  EXPECT_FALSE(end_);
  EXPECT_GE(states_in(quick_).size(), 5u) << "connected, and twice reconnecting and connected again";
  EXPECT_EQ(states_in(slow_), states_in(quick_));
  const auto all = of_kind<ports::ProgressNews>(quick_);
  const auto some = of_kind<ports::ProgressNews>(slow_);
  ASSERT_GE(all.size(), 5u);
  ASSERT_EQ(some.size(), 1u) << "the last one before the end";
  EXPECT_EQ(some[0].progress.percent, all.back().progress.percent);
  EXPECT_EQ(of_kind<ports::NodeStarted>(slow_).size(), of_kind<ports::NodeStarted>(quick_).size());
  ASSERT_EQ(of_kind<ports::ExecutionEnded>(slow_).size(), 1u);
  EXPECT_EQ(of_kind<ports::ExecutionEnded>(slow_)[0].outputs.size(), 1u);
}

}  // namespace
}  // namespace renderyard::testing
