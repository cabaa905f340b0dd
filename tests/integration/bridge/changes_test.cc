// What an operator changes of an instance reaches its bridge within a second, with the intervals of service and not the
// hurried ones of other tests: with the hint that InstanceService sends, and without any, by the next look.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/meddler.h"

namespace renderyard::testing {
namespace {

using ports::InstanceStatus;

constexpr absl::Duration kPromise = absl::Seconds(1);

class ChangesTest : public ::testing::TestWithParam<bool> {
 protected:
  ChangesTest() {
    BridgeLab::Way way;
    way.url = [&](const std::string& server) {
      front_ = std::make_unique<Meddler>(server);
      return front_->url();
    };
    way.settings = [](bridge::Config& config) { config.look_every = bridge::Config().look_every; };
    lab_ = std::make_unique<BridgeLab>(std::vector<std::string>(), std::move(way));
  }

  bool hinted() const { return GetParam(); }
  // Either way; the rest is for a machine that does something else at that moment.
  static absl::Duration limit() { return kPromise + absl::Milliseconds(250); }
  // From the commit that `change` makes to its effect. By the lab's clock.
  template <class Change, class Effect>
  absl::Duration time_of(Change change, Effect effect) {
    change();
    const absl::Time committed = absl::Now();
    if (hinted()) lab_->hint_at_instances();
    EXPECT_TRUE(lab_->until(effect)) << "it was not noticed at all";
    return absl::Now() - committed;
  }
  // Moves the beginning of what follows along the bridge's interval, so that not all changes come just before a look.
  void drift(int n) {
    const absl::Time then = absl::Now() + n * absl::Milliseconds(230);
    ASSERT_TRUE(lab_->until([&] { return absl::Now() >= then; }));
  }

  std::unique_ptr<Meddler> front_;
  std::unique_ptr<BridgeLab> lab_;
};

INSTANTIATE_TEST_SUITE_P(Ways, ChangesTest, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Hinted" : "ByLooks"; });

TEST_P(ChangesTest, DrainingReachesTheBridgeInTimeAndTheDispatcherAtOnce) {
  ASSERT_TRUE(lab_->until_connected());
  for (int n = 0; n < 5; ++n) {
    drift(n);
    const bool draining = n % 2 == 0;
    const int seen = lab_->count_in_journal("instance_changed");
    const auto took = time_of(
        [&] {
          lab_->set_draining(draining);
          EXPECT_EQ(lab_->free_slots(), draining ? 0u : 1u);
        },
        [&] { return lab_->count_in_journal("instance_changed") > seen; });
    EXPECT_LT(took, limit());
    EXPECT_EQ(lab_->instance().status, InstanceStatus::kConnected) << "it stays connected";
  }
}

TEST_P(ChangesTest, DisablingAndEnablingTakeEffectInTime) {
  ASSERT_TRUE(lab_->until_connected());
  for (int n = 0; n < 4; ++n) {
    drift(n);
    const auto off = time_of([&] { lab_->set_enabled(false); },
                             [&] { return lab_->instance().status == InstanceStatus::kDisabled; });
    EXPECT_LT(off, limit());
    ASSERT_TRUE(lab_->until([&] { return lab_->count_in_journal("worker_ended") == n + 1; }));
    drift(n);
    const int held = lab_->count_in_journal("lease_acquired");
    const auto on =
        time_of([&] { lab_->set_enabled(true); }, [&] { return lab_->count_in_journal("lease_acquired") > held; });
    EXPECT_LT(on, limit());
    ASSERT_TRUE(lab_->until_connected());
  }
}

TEST_P(ChangesTest, AnotherAddressIsConnectedToInTime) {
  SimProcess other;
  ASSERT_TRUE(lab_->until_connected());
  const std::vector<std::string> urls = {other.url(), front_->url()};
  for (int n = 0; n < 4; ++n) {
    drift(n);
    ports::InstanceChange change;
    change.api_url = urls[static_cast<std::size_t>(n % 2)];
    change.ws_url = "ws" + change.api_url->substr(4);
    const int connected = lab_->count_in_journal("comfyui_websocket_connected");
    const auto took = time_of([&] { lab_->change(change); },
                              [&] { return lab_->count_in_journal("comfyui_websocket_connected") > connected; });
    EXPECT_LT(took, limit());
    ASSERT_TRUE(lab_->until_connected());
  }
}

TEST_P(ChangesTest, OtherCredentialsAreShownToTheServerInTime) {
  ASSERT_TRUE(lab_->until_connected());
  for (int n = 0; n < 4; ++n) {
    drift(n);
    const std::string key = "key-" + std::to_string(n);
    ports::InstanceChange change;
    change.headers = std::vector<ports::SecretHeader>{{"X-Key", key}};
    const auto shown = [&] {
      const auto seen = front_->seen();
      return std::any_of(seen.begin(), seen.end(), [&](const Meddler::Request& request) {
        const auto found = request.headers.find("x-key");
        return found != request.headers.end() && found->second == key;
      });
    };
    EXPECT_LT(time_of([&] { lab_->change(change); }, shown), limit());
  }
}

TEST_P(ChangesTest, ANewSwitchHoldsForTheNextJob) {
  ASSERT_TRUE(lab_->until_connected());
  for (int n = 0; n < 3; ++n) {
    drift(n);
    ports::InstanceChange change;
    change.unique_prefix = n % 2 == 1;
    const int seen = lab_->count_in_journal("instance_changed");
    const auto took =
        time_of([&] { lab_->change(change); }, [&] { return lab_->count_in_journal("instance_changed") > seen; });
    EXPECT_LT(took, limit());
    const auto execution = lab_->order(simple_graph(n));
    ASSERT_TRUE(lab_->until_final(execution));
    const std::string folder = "renderyard%2F" + to_string(execution) + "&";
    const auto requests = front_->seen();
    const bool unique = std::any_of(requests.begin(), requests.end(), [&](const Meddler::Request& request) {
      return request.target.starts_with("/view") && request.target.find(folder) != std::string::npos;
    });
    EXPECT_EQ(unique, *change.unique_prefix);
  }
}

}  // namespace
}  // namespace renderyard::testing
