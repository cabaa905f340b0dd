// What people are told of a job that goes on: what was left out of it, what holds it up, since when it is silent, and
// how often its progress is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<ports::Progress> progress_in(const std::vector<ports::BridgeEvent>& events) {
  std::vector<ports::Progress> found;
  for (const ports::BridgeEvent& event : events) {
    if (const auto* news = std::get_if<ports::ProgressNews>(&event)) found.push_back(news->progress);
  }
  return found;
}

TEST(TellingTest, WhatComfyUILeftOutOfAnAcceptedPromptIsAWarningOfTheJob) {
  BridgeLab lab({});
  ASSERT_TRUE(lab.until_connected());
  // 5 cannot be loaded, so 6 is left out; 3 runs.
  const std::string graph = "{" + pictures(1, 5) + "," +
                            node(3, "SaveImage", R"("images":["1",0],"filename_prefix":"good")") + "," +
                            node(5, "LoadImage", R"("image":"not-there.png")") + "," +
                            node(6, "SaveImage", R"("images":["5",0],"filename_prefix":"bad")") + "}";
  const auto execution = lab.order(graph);
  ASSERT_TRUE(lab.until_final(execution));
  EXPECT_EQ(lab.row(execution).state, ExecutionState::kCompleted);
  EXPECT_EQ(lab.outputs(execution).size(), 1u);
  const auto warnings = lab.job(execution).warnings_json;
  ASSERT_TRUE(warnings);
  EXPECT_THAT(*warnings, HasSubstr(R"("code":"accepted_with_loss")"));
  EXPECT_THAT(*warnings, HasSubstr(R"("node_id":"5","node_class":"LoadImage")"));
  EXPECT_THAT(*warnings, HasSubstr("not-there.png"));
  const auto whole = lab.order(simple_graph(1));
  ASSERT_TRUE(lab.until_final(whole));
  EXPECT_FALSE(lab.job(whole).warnings_json);
}

TEST(TellingTest, AnArtifactStoreThatIsFullOrAwayHoldsAJobUpAndItSaysSo) {
  BridgeLab lab({});
  ASSERT_TRUE(lab.until_connected());
  std::vector<ports::BridgeEvent> events;
  lab.watch(false, events);
  lab.depot().set_condition(ArtifactDepot::Condition::kFull);
  const auto execution = lab.order(simple_graph(1));
  const auto says = [&](const std::string& words) {
    return lab.until([&] { return lab.job(execution).progress_message.value_or("").find(words) != std::string::npos; });
  };
  ASSERT_TRUE(says("the artifact store is full"));
  lab.depot().set_condition(ArtifactDepot::Condition::kAway);
  ASSERT_TRUE(says("the artifact store cannot be written"));
  EXPECT_FALSE(domain::is_final(lab.row(execution).state)) << "a render that is done is not thrown away";
  lab.depot().set_condition(ArtifactDepot::Condition::kGood);
  ASSERT_TRUE(lab.until_final(execution));
  EXPECT_EQ(lab.row(execution).state, ExecutionState::kCompleted);
  EXPECT_EQ(lab.outputs(execution).size(), 1u);
  EXPECT_FALSE(lab.job(execution).progress_message);
  EXPECT_EQ(lab.ledger("post"), 1);
  std::string told;
  for (const ports::Progress& progress : progress_in(events)) told += progress.message + "\n";
  EXPECT_THAT(told, HasSubstr("full"));
}

TEST(TellingTest, TheFirstProgressComesAtOnceAndThenOneInAnInterval) {
  BridgeLab lab({},
                BridgeLab::Way{.settings = [](bridge::Config& config) { config.progress_every = absl::Seconds(1); }});
  ASSERT_TRUE(lab.until_connected());
  std::vector<ports::BridgeEvent> events;
  lab.watch(false, events);
  const auto execution = lab.order(slow_graph(3.3, 1));
  ASSERT_TRUE(lab.until_final(execution));
  const auto told = progress_in(events);
  ASSERT_GE(told.size(), 4u);
  ASSERT_LE(told.size(), 6u) << "a hundred steps of the node came";
  EXPECT_LT(told.front().at - *lab.row(execution).started_at, absl::Milliseconds(500));
  for (std::size_t i = 1; i + 1 < told.size(); ++i) {
    EXPECT_GE(told[i].at - told[i - 1].at, absl::Milliseconds(990)) << i;
    EXPECT_GE(told[i].percent, told[i - 1].percent);
  }
  EXPECT_GT(told.back().percent, 90) << "the last one before the end waits for no interval";
}

TEST(TellingTest, SilenceIsToldOnceAndSoIsItsEnd) {
  BridgeLab lab({}, BridgeLab::Way{.settings = [](bridge::Config& config) {
                  config.silence_shown_after = absl::Milliseconds(500);
                }});
  ASSERT_TRUE(lab.until_connected());
  std::vector<ports::BridgeEvent> events;
  lab.watch(false, events);
  // 2 says nothing for two seconds, 4 speaks for one.
  const std::string graph =
      "{" + pictures(1, 7) + "," + node(2, "BridgeDeaf", R"("image":["1",0],"seconds":2.0,"salt":1)") + "," +
      node(4, "BridgeSlow", R"("image":["2",0],"seconds":1.0,"steps":50,"preview":"none","salt":2)") + "," +
      node(3, "SaveImage", R"("images":["4",0],"filename_prefix":"s")") + "}";
  const auto execution = lab.order(graph);
  ASSERT_TRUE(lab.until_final(execution));
  const auto told = progress_in(events);
  std::size_t silent = told.size();
  int silences = 0;
  for (std::size_t i = 0; i < told.size(); ++i) {
    if (!told[i].silent_since) continue;
    ++silences;
    silent = std::min(silent, i);
  }
  EXPECT_EQ(silences, 1);
  ASSERT_LT(silent + 1, told.size());
  EXPECT_GE(told[silent].at - *told[silent].silent_since, absl::Milliseconds(490));
  EXPECT_EQ(told[silent].current_node, "2");
  EXPECT_FALSE(told[silent + 1].silent_since);
  EXPECT_LE(told[silent].percent, told[silent + 1].percent);
}

TEST(TellingTest, ATracebackStaysWithTheServer) {
  BridgeLab lab({});
  ASSERT_TRUE(lab.until_connected());
  const auto execution =
      lab.order("{" + pictures(1, 4) + "," + node(2, "BridgeFail", R"("image":["1",0],"message":"no luck")") + "," +
                node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"pic")") + "}");
  ASSERT_TRUE(lab.until_final(execution));
  ASSERT_TRUE(lab.row(execution).error);
  EXPECT_THAT(lab.row(execution).error->message, HasSubstr("no luck"));
  EXPECT_THAT(lab.row(execution).error->message, Not(HasSubstr("Traceback")));
  EXPECT_THAT(lab.row(execution).error->message, Not(HasSubstr("File \"")));
  EXPECT_THAT(lab.http("/history"), HasSubstr("File ")) << "the server has one";
}

TEST(TellingTest, TheCacheKnowsTheJobWhileItLives) {
  BridgeLab lab({});
  ASSERT_TRUE(lab.until_connected());
  const auto execution = lab.order(slow_graph(2, 1));
  ASSERT_TRUE(lab.until_state(execution, ExecutionState::kRunning));
  ASSERT_TRUE(lab.until([&] { return lab.redis().entries().contains(lab.row(execution).client_prompt_id); }));
  const ports::CachedProgress cached = lab.redis().entries().at(lab.row(execution).client_prompt_id).value;
  EXPECT_EQ(cached.job_type, "image_generation");
  EXPECT_EQ(cached.status, "running");
  EXPECT_EQ(cached.client_id, lab.row(execution).client_id);
  EXPECT_EQ(cached.execution_id, execution);
  EXPECT_FALSE(cached.cluster_epoch.empty());
  EXPECT_FALSE(cached.started_at.empty());
  ASSERT_TRUE(lab.until_final(execution));
  ASSERT_TRUE(lab.until([&] { return lab.redis().entries().empty(); }));
}

}  // namespace
}  // namespace renderyard::testing
