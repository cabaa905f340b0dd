#include <gtest/gtest.h>

#include <boost/json/value.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "libs/common/domain/progress.h"
#include "tests/unit/recordings.h"

namespace renderyard {
namespace {

using namespace domain;

ProgressState state(std::vector<NodeState> nodes) {
  return {.prompt_id = "p", .nodes = std::move(nodes)};
}

TEST(Progress, CountsDoneNodesAndFractions) {
  ProgressTracker tracker({"1", "2", "3", "4"});
  EXPECT_EQ(tracker.percent(), 0);
  tracker.apply(ExecutionCached{.prompt_id = "p", .nodes = {"1"}});
  EXPECT_EQ(tracker.percent(), 25);
  tracker.apply(state({{.id = "2", .value = 5, .max = 10, .finished = false}}));
  EXPECT_EQ(tracker.percent(), 37);
  tracker.apply(state(
      {{.id = "2", .value = 10, .max = 10, .finished = true}, {.id = "3", .value = 0, .max = 1, .finished = false}}));
  EXPECT_EQ(tracker.percent(), 50);
  tracker.apply(ExecutionSuccess{.prompt_id = "p"});
  EXPECT_EQ(tracker.percent(), 99);
}

TEST(Progress, NeverGoesBackWhenExpansionAddsNodes) {
  ProgressTracker tracker({"1", "2"});
  tracker.apply(state({{.id = "1", .value = 1, .max = 1, .finished = true}}));
  EXPECT_EQ(tracker.percent(), 50);
  tracker.apply(state({{.id = "1", .value = 1, .max = 1, .finished = true},
                       {.id = "2.0.0.1", .value = 0, .max = 1, .finished = false},
                       {.id = "2.0.0.2", .value = 0, .max = 1, .finished = false}}));
  EXPECT_EQ(tracker.percent(), 50);
}

TEST(Progress, RepeatsOddNumbersAndAnyOrderAreHarmless) {
  ProgressTracker tracker({"1", "2"});
  for (int i = 0; i < 5; ++i) tracker.apply(NodeProgress{.prompt_id = "p", .node = "1", .value = 3, .max = 4});
  EXPECT_EQ(tracker.percent(), 37);
  tracker.apply(NodeProgress{.prompt_id = "p", .node = "1", .value = -5, .max = 0});
  tracker.apply(NodeProgress{.prompt_id = "p", .node = "1", .value = 500, .max = 4});
  EXPECT_EQ(tracker.percent(), 50);
  tracker.raise_to(70);
  EXPECT_EQ(tracker.percent(), 70);
  tracker.raise_to(100);
  EXPECT_EQ(tracker.percent(), 99);
  tracker.raise_to(3);
  EXPECT_EQ(tracker.percent(), 99);
}

TEST(Progress, NamesTheNodeTheUserKnows) {
  ProgressTracker tracker({"5"});
  tracker.apply(Executing{.prompt_id = "p", .node = "5.0.0.1", .display_node = "5"});
  EXPECT_EQ(tracker.current_node(), "5");
  tracker.apply(Executing{.prompt_id = "p", .node = std::nullopt, .display_node = ""});
  EXPECT_EQ(tracker.current_node(), "");
}

TEST(Progress, AnEmptyGraphStaysAtZero) {
  ProgressTracker tracker({});
  tracker.apply(ExecutionStart{.prompt_id = "p"});
  EXPECT_EQ(tracker.percent(), 0);
}

struct Followed {
  ProgressTracker tracker;
  bool cached_any = false;
  bool failed = false;
  bool whole = true;  // all of the workflow was accepted
  bool started = false;
};

// All prompts of one recording, each followed by the messages of one socket.
struct Follower {
  std::map<std::string, Followed> prompts;
  std::map<std::string, std::vector<ComfyMessage>> early;  // messages that came before the answer to the POST
  int complete = 0;

  void answer(const testing::RecordedExchange& exchange) {
    if (exchange.method != "POST" || !exchange.path.ends_with("/prompt") || exchange.status != 200) return;
    const auto* prompt = exchange.request_body.if_contains("prompt");
    if (prompt == nullptr || !prompt->is_object()) return;
    const auto verdict = classify_post(exchange);
    std::vector<std::string> nodes;
    for (const auto& node : prompt->get_object()) nodes.emplace_back(node.key());
    Followed followed{.tracker = ProgressTracker(nodes)};
    followed.whole = verdict.second && !exchange.request_body.contains("partial_execution_targets");
    prompts.insert_or_assign(verdict.first, std::move(followed));
    for (const auto& message : early[verdict.first]) feed(verdict.first, message);
    early.erase(verdict.first);
  }

  // (prompt id, no node errors)
  static std::pair<std::string, bool> classify_post(const testing::RecordedExchange& exchange) {
    const auto at = exchange.body.find("\"prompt_id\":\"") + 13;
    const auto id = exchange.body.substr(at, exchange.body.find('"', at) - at);
    return {id, exchange.body.find("\"node_errors\":{}") != std::string::npos};
  }

  void feed(const std::string& id, const ComfyMessage& message) {
    auto& followed = prompts.at(id);
    const int before = followed.tracker.percent();
    followed.tracker.apply(message);
    EXPECT_GE(followed.tracker.percent(), before);
    EXPECT_LE(followed.tracker.percent(), 99);
    if (std::holds_alternative<ExecutionStart>(message)) followed.started = true;
    if (const auto* cached = std::get_if<ExecutionCached>(&message)) followed.cached_any |= !cached->nodes.empty();
    followed.failed |=
        std::holds_alternative<ExecutionError>(message) || std::holds_alternative<ExecutionInterrupted>(message);
    const auto* executing = std::get_if<Executing>(&message);
    if (executing != nullptr && !executing->node && followed.started && !followed.failed && followed.whole) {
      if (!followed.cached_any) {
        ++complete;
        EXPECT_GE(followed.tracker.percent(), 90) << id;
      }
      EXPECT_EQ(followed.tracker.current_node(), "");
    }
  }

  void message(const ComfyMessage& message) {
    const std::string id(prompt_id_of(message));
    if (id.empty()) return;
    if (prompts.contains(id)) {
      feed(id, message);
    } else {
      early[id].push_back(message);
    }
  }
};

TEST(Progress, IsMonotoneAndNearlyDoneAtTheEndOfEveryRecordedRun) {
  std::map<std::string, int> complete;
  for (const auto& recording : testing::recordings()) {
    // Two sockets of one client and prompts sent twice under one id are no single run.
    if (recording.name.ends_with("duplicate-prompt-id")) continue;
    SCOPED_TRACE(recording.name);
    Follower follower;
    std::set<std::string> conns;
    for (const auto& event : recording.events) {
      if (event.exchange) follower.answer(*event.exchange);
      if (!event.frame) continue;
      const auto message =
          event.frame->binary ? parse_binary_frame(event.frame->bytes) : parse_text_frame(event.frame->bytes);
      ASSERT_TRUE(message.ok());
      follower.message(*message);
    }
    complete[recording.version] += follower.complete;
  }
  EXPECT_GT(complete["0.33.0"], 30);
  EXPECT_GT(complete["0.3.64"], 30);
  EXPECT_GT(complete["2024-06-30"], 30);
}

}  // namespace
}  // namespace renderyard
