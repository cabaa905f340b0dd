// What an instance has is read again: now and then, after each connection, and never more often than is good for a
// server that needs long to say it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/meddler.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;
using ports::InstanceStatus;
using ::testing::Contains;
using ::testing::Not;

void often(bridge::Config& config) {
  config.capabilities_every = absl::Seconds(1);
  config.capabilities_gap = absl::Milliseconds(300);
}

// Only after connections, and only so soon after the last.
void seldom(bridge::Config& config) {
  config.capabilities_every = absl::Hours(1);
  config.capabilities_gap = absl::Seconds(2);
}

class RefreshTest : public ::testing::Test {
 protected:
  void start(std::vector<std::string> sim, void (*settings)(bridge::Config&)) {
    BridgeLab::Way way;
    way.settings = settings;
    way.url = [&](const std::string& server) {
      front_ = std::make_unique<Meddler>(server);
      if (before_) front_->answer_instead(before_);
      return front_->url();
    };
    lab_ = std::make_unique<BridgeLab>(std::move(sim), std::move(way));
  }
  const ports::KnownCapabilities& known() const { return *lab_->capabilities(); }
  [[nodiscard]] bool until_known() {
    return lab_->until([&] { return lab_->capabilities().has_value(); });
  }
  [[nodiscard]] bool until_read_after(absl::Time when) {
    return lab_->until([&] { return known().read_at > when; });
  }
  [[nodiscard]] bool until_other_than(const std::string& digest) {
    return lab_->until([&] { return known().digest != digest; });
  }
  // The files that checkpoint loaders can choose from.
  std::vector<std::string> checkpoints() const {
    const domain::Capabilities& has = known().what;
    return has.model_lists.at(has.model_inputs.at("CheckpointLoaderSimple.ckpt_name"));
  }
  void replace_server(std::vector<std::string> sim) {
    lab_->sim().kill();
    ASSERT_TRUE(lab_->until([&] { return lab_->instance().status == InstanceStatus::kReconnecting; }));
    lab_->sim().start_again(std::move(sim));
    ASSERT_TRUE(lab_->until_connected());
  }
  int asked() const {
    const auto seen = front_->seen();
    return static_cast<int>(
        std::count_if(seen.begin(), seen.end(), [](const auto& request) { return request.target == "/object_info"; }));
  }

  Meddler::Instead before_;  // from the first request on
  std::unique_ptr<Meddler> front_;
  std::unique_ptr<BridgeLab> lab_;
};

TEST_F(RefreshTest, WithoutAChangeTheDigestStaysAndTheTimeMoves) {
  start({}, often);
  ASSERT_TRUE(until_known());
  const ports::KnownCapabilities first = known();
  absl::Time last = first.read_at;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(until_read_after(last));
    EXPECT_GE(known().read_at, last + absl::Milliseconds(300)) << "not sooner than the gap";
    last = known().read_at;
    EXPECT_EQ(known().digest, first.digest);
    EXPECT_EQ(known().what, first.what);
  }
  EXPECT_EQ(lab_->metric("connects_total"), 1) << "it took no new connection";
}

TEST_F(RefreshTest, AnotherReleaseInTheSamePlaceIsDescribedAnew) {
  start({"--generation", "2024-06-30"}, seldom);
  ASSERT_TRUE(until_known());
  const ports::KnownCapabilities before = known();
  EXPECT_EQ(before.what.comfyui_version, "");
  replace_server({"--generation", "0.33.0"});
  ASSERT_TRUE(until_other_than(before.digest));
  EXPECT_EQ(known().what.comfyui_version, "0.33.0");
  EXPECT_GT(known().read_at, before.read_at);
  EXPECT_GT(known().what.node_classes.size(), before.what.node_classes.size());
  replace_server({"--generation", "2024-06-30"});
  ASSERT_TRUE(lab_->until([&] { return known().digest == before.digest; })) << "the same again";
  EXPECT_EQ(known().what, before.what);
}

TEST_F(RefreshTest, ModelsThatCameAndWentAreKnownAfterARestart) {
  start({"--models", "checkpoints=one.safetensors,two.safetensors"}, seldom);
  ASSERT_TRUE(until_known());
  const std::string before = known().digest;
  EXPECT_EQ(checkpoints(), (std::vector<std::string>{"one.safetensors", "two.safetensors"}));
  replace_server({"--models", "checkpoints=two.safetensors,three.safetensors"});
  ASSERT_TRUE(until_other_than(before));
  EXPECT_EQ(checkpoints(), (std::vector<std::string>{"three.safetensors", "two.safetensors"}));
}

TEST_F(RefreshTest, AModelThatIsPutThereWhileTheServerRunsIsKnownInTime) {
  start({"--models", "checkpoints=one.safetensors"}, often);
  ASSERT_TRUE(until_known());
  const std::string before = known().digest;
  EXPECT_THAT(checkpoints(), Not(Contains("new.safetensors")));
  front_->edit([](const Meddler::Request& request, Meddler::Answer& answer) {
    if (request.target != "/object_info") return;
    const std::string old = "\"one.safetensors\"";
    for (std::size_t at = answer.body.find(old); at != std::string::npos; at = answer.body.find(old, at + 1)) {
      answer.body.insert(at + old.size(), ", \"new.safetensors\"");
    }
  });
  ASSERT_TRUE(until_other_than(before));
  EXPECT_THAT(checkpoints(), Contains("new.safetensors"));
  EXPECT_EQ(lab_->metric("connects_total"), 1);
}

TEST_F(RefreshTest, AServerThatCannotSayItKeepsWhatIsKnownOfIt) {
  auto broken = std::make_shared<std::atomic<bool>>(false);
  start({}, often);
  front_->answer_instead([broken](const Meddler::Request& request) -> std::optional<Meddler::Answer> {
    if (request.target != "/object_info" || !*broken) return std::nullopt;
    Meddler::Answer answer;
    answer.status = 500;
    return answer;
  });
  ASSERT_TRUE(until_known());
  *broken = true;
  ASSERT_TRUE(lab_->until([&] { return lab_->count_in_journal("capabilities_unread") >= 2; }));
  const ports::KnownCapabilities kept = known();
  EXPECT_THAT(kept.what.node_classes, Contains("SaveImage"));
  EXPECT_EQ(lab_->instance().status, InstanceStatus::kConnected) << "it works all the same";
  *broken = false;
  ASSERT_TRUE(until_read_after(kept.read_at));
  EXPECT_EQ(known().digest, kept.digest);
}

// Not when the next hour begins: until then nobody knows what its nodes do.
TEST_F(RefreshTest, AServerThatCannotSayItIsAskedAgainSoon) {
  auto broken = std::make_shared<std::atomic<int>>(2);
  before_ = [broken](const Meddler::Request& request) -> std::optional<Meddler::Answer> {
    if (request.target != "/object_info" || --*broken < 0) return std::nullopt;
    Meddler::Answer answer;
    answer.status = 500;
    return answer;
  };
  start({}, seldom);
  ASSERT_TRUE(until_known());
  EXPECT_THAT(known().what.node_classes, Contains("SaveImage"));
  EXPECT_EQ(lab_->count_in_journal("capabilities_unread"), 2);
  EXPECT_EQ(asked(), 3);
  EXPECT_EQ(lab_->metric("connects_total"), 1);
}

TEST_F(RefreshTest, ManyConnectionsInARowAreOneReading) {
  start({}, seldom);
  ASSERT_TRUE(until_known());
  for (int n = 2; n <= 4; ++n) {
    lab_->fault(R"({"fault":"drop"})");
    ASSERT_TRUE(lab_->until([&] { return lab_->metric("connects_total") == n; }));
  }
  const ports::KnownCapabilities first = known();
  ASSERT_TRUE(until_read_after(first.read_at));
  EXPECT_GE(known().read_at, first.read_at + absl::Seconds(2));
  const auto execution = lab_->order(slow_graph(2.5, 1));
  ASSERT_TRUE(lab_->until_final(execution));
  EXPECT_EQ(lab_->row(execution).state, ExecutionState::kCompleted);
  EXPECT_EQ(asked(), 2) << "at first, and once for three connections";
}

}  // namespace
}  // namespace renderyard::testing
