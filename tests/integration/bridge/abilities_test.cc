// What the server is able to do is asked of every release, again with every connection, and without a socket too.
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "libs/common/domain/workflow.h"
#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/comfy/comfy_fixture.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;

class ProbeTest : public ComfyFixture {
 protected:
  ports::ComfyAbilities probe(const std::string& release) {
    const SimProcess sim({"--generation", release});
    const auto comfy = instance(sim.url());
    auto abilities = await(comfy->probe(in(20)));
    EXPECT_TRUE(abilities.ok()) << abilities.status();
    return abilities.ok() ? *abilities : ports::ComfyAbilities();
  }
};

TEST_F(ProbeTest, TheReleaseOf2024CanDoNothingOfIt) {
  const auto abilities = probe("2024-06-30");
  EXPECT_FALSE(abilities.own_prompt_ids || abilities.targeted_interrupt || abilities.atomic_cancel ||
               abilities.jobs_api || abilities.feature_flags || abilities.preview_metadata || abilities.progress_state);
  EXPECT_EQ(abilities.version, "");
}

TEST_F(ProbeTest, TheReleaseOf2025TakesIdsAndNamesWhatRuns) {
  const auto abilities = probe("0.3.64");
  EXPECT_TRUE(abilities.own_prompt_ids && abilities.targeted_interrupt && abilities.feature_flags &&
              abilities.preview_metadata && abilities.progress_state);
  EXPECT_FALSE(abilities.atomic_cancel || abilities.jobs_api);
  EXPECT_EQ(abilities.version, "0.3.64");
}

TEST_F(ProbeTest, TheNewestReleaseCanDoAll) {
  const auto abilities = probe("0.33.0");
  EXPECT_TRUE(abilities.own_prompt_ids && abilities.targeted_interrupt && abilities.atomic_cancel &&
              abilities.jobs_api && abilities.feature_flags && abilities.preview_metadata && abilities.progress_state);
}

// A cancel by the means of the release before would find no route, or hit whatever runs.
void cancel_after_replacement(const std::string& before, const std::string& after) {
  SCOPED_TRACE(before + " becomes " + after);
  BridgeLab lab({"--generation", before});
  ASSERT_TRUE(lab.until_connected());
  lab.sim().kill();
  ASSERT_TRUE(lab.until([&] { return lab.instance().status == ports::InstanceStatus::kReconnecting; }));
  lab.sim().start_again({"--generation", after});
  ASSERT_TRUE(lab.until_connected());
  const auto execution = lab.order(slow_graph(30, 1));
  ASSERT_TRUE(lab.until_state(execution, ExecutionState::kRunning));
  lab.wish_cancel(execution);
  ASSERT_TRUE(lab.until_final(execution));
  EXPECT_EQ(lab.row(execution).state, ExecutionState::kCancelled);
  EXPECT_EQ(lab.ledger("interrupted", execution), 1);
}

TEST(AbilitiesTest, AnOlderServerInTheSamePlaceIsCancelledItsOwnWay) {
  cancel_after_replacement("0.33.0", "2024-06-30");
}

TEST(AbilitiesTest, ANewerServerInTheSamePlaceIsCancelledItsOwnWay) {
  cancel_after_replacement("2024-06-30", "0.33.0");
}

// The flags belong to a connection: sent again, or the pictures of the next would name nothing.
TEST_F(ProbeTest, FeatureFlagsAreSentOnEveryConnection) {
  for (const std::string release : {"2024-06-30", "0.3.64", "0.33.0"}) {
    SCOPED_TRACE(release);
    const SimProcess sim({"--generation", release});
    const auto comfy = instance(sim.url());
    const bool names = await(comfy->probe(in(20))).value().preview_metadata;
    auto first = await(comfy->connect("me", in(20)));
    ASSERT_TRUE(first.ok()) << first.status();
    ASSERT_TRUE(await((*first)->close(in(20))).ok());
    auto again = await(comfy->connect("me", in(20)));
    ASSERT_TRUE(again.ok()) << again.status();
    const std::string graph = "{" + pictures(1, 7) + "," + slow_node(0.1, 1, "PNG") + "," +
                              node(3, "PreviewImage", R"("images":["2",0])") + "}";
    const auto body = domain::prompt_body(graph, "me", "00000000-0000-4000-8000-000000000001", "1", "2", "", true);
    ASSERT_TRUE(body.ok()) << body.status();
    ASSERT_EQ(await(comfy->post_prompt(*body, absl::InfiniteFuture(), in(20))).http_status, 200);
    int previews = 0;
    for (bool over = false; !over;) {
      const auto message = await((*again)->next());
      ASSERT_TRUE(message.ok()) << message.status();
      if (const auto* executing = std::get_if<domain::Executing>(&**message)) over = !executing->node;
      const auto* picture = std::get_if<domain::PreviewImage>(&**message);
      if (picture == nullptr) continue;
      ++previews;
      EXPECT_EQ(!picture->prompt_id.empty(), names);
    }
    EXPECT_GT(previews, 0);
  }
}

TEST(AbilitiesTest, WithoutASocketJobsRunAndAreCancelledByPolling) {
  for (const char* release : {"2024-06-30", "0.33.0"}) {
    SCOPED_TRACE(release);
    BridgeLab lab({"--generation", release}, "ws://127.0.0.1:1");
    ASSERT_TRUE(lab.until([&] { return lab.instance().status == ports::InstanceStatus::kPolling; }));
    const auto done = lab.order(simple_graph(1));
    ASSERT_TRUE(lab.until_final(done));
    EXPECT_EQ(lab.row(done).state, ExecutionState::kCompleted);
    EXPECT_EQ(lab.outputs(done).size(), 1u);
    const auto stopped = lab.order(slow_graph(30, 1));
    ASSERT_TRUE(lab.until_state(stopped, ExecutionState::kRunning));
    lab.wish_cancel(stopped);
    ASSERT_TRUE(lab.until_final(stopped));
    EXPECT_EQ(lab.row(stopped).state, ExecutionState::kCancelled);
  }
}

}  // namespace
}  // namespace renderyard::testing
