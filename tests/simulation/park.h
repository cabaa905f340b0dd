// Park: the whole system in one simulated world: the outside (database, artifact directory, Redis, hints, ComfyUI
// servers, network) and the three services as processes that can be killed, stopped and started again.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/common/testing/fake_artifacts.h"
#include "libs/common/testing/fake_comfy/handle.h"
#include "libs/common/testing/fake_database.h"
#include "libs/common/testing/fake_hints.h"
#include "libs/common/testing/fake_progress_cache.h"
#include "libs/common/testing/sim/network.h"
#include "libs/common/testing/sim/sim_database_link.h"
#include "libs/common/testing/sim/world.h"
#include "services/api-gateway/gateway.h"
#include "tests/simulation/options.h"

namespace renderyard::simulation {

namespace sim = testing::sim;

enum class Role { kBridge, kDispatcher, kGateway };
inline constexpr std::array kRoles = {Role::kBridge, Role::kDispatcher, Role::kGateway};
std::string_view to_string(Role role);

class Park {
 public:
  Park(const Options& options, int instances);
  ~Park();
  Park(const Park&) = delete;
  Park& operator=(const Park&) = delete;

  sim::World& world() { return world_; }
  testing::FakeDatabase& database() { return database_; }
  sim::DatabaseWeather& database_weather() { return database_weather_; }
  sim::DatabaseWeather& cache_weather() { return cache_weather_; }
  sim::SimNetwork& network() { return network_; }
  testing::HintBus& hints() { return hints_; }
  testing::ArtifactDepot& depot() { return depot_; }
  testing::FakeRedis& redis() { return redis_; }
  // At first one for each instance, in the order of their ids, and one to spare.
  std::vector<std::unique_ptr<testing::FakeComfy>>& comfies() { return comfies_; }
  static std::string url_of(std::size_t comfy) { return "http://comfy-" + std::to_string(comfy + 1) + ":8188"; }
  // Index of the server an instance is at.
  int index_of(ports::InstanceId instance) const;
  ports::UserId user() const { return user_; }
  double& hint_loss() { return hint_loss_; }

  // Of the living gateway process; null when there is none.
  gateway::Gateway* gateway() { return process(Role::kGateway) == nullptr ? nullptr : gateway_; }
  static constexpr char kToken[] = "the-workload's-token";

  // The living process of a role; null between death and restart.
  sim::Process* process(Role role);
  void start(Role role);
  void kill(Role role);
  // A bridge with an id of its own beside the first one.
  void start_second_bridge();
  // Another process under the id of the living bridge process, which goes its own way from now on.
  void replace_bridge();

  // A promise was seen broken.
  void find(std::string finding);
  const std::vector<std::string>& findings() const { return findings_; }

 private:
  struct BridgeName {
    std::string id;
    std::string address;
    bool predecessor_is_dead = true;
  };
  void start_bridge(sim::Process& process, BridgeName name);
  void start_dispatcher(sim::Process& process);
  void start_gateway(sim::Process& process);
  void carry_hint(testing::HintBus::Delivery delivery);
  std::function<void(absl::Status)> watch_end(Role role);

  Options options_;
  testing::FakeDatabase database_;  // before the world: transactions under way end with its timers
  sim::World world_;
  sim::DatabaseWeather database_weather_;
  sim::DatabaseWeather cache_weather_;
  sim::DatabaseWeather depot_weather_;
  sim::SimNetwork network_;
  testing::HintBus hints_;
  double hint_loss_ = 0;
  testing::ArtifactDepot depot_;
  testing::FakeRedis redis_;
  std::vector<std::unique_ptr<testing::FakeComfy>> comfies_;
  testing::ComfyFleet fleet_;
  ports::UserId user_;
  std::array<sim::Process*, kRoles.size()> processes_{};
  std::array<int, kRoles.size()> incarnations_{};
  gateway::Gateway* gateway_ = nullptr;
  std::vector<std::string> findings_;
};

}  // namespace renderyard::simulation
