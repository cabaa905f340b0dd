#include "tests/simulation/park.h"

#include <utility>

#include "libs/common/testing/fake_dispatch_store.h"
#include "libs/common/testing/fake_event_log.h"
#include "libs/common/testing/fake_execution_store.h"
#include "libs/common/testing/fake_instance_store.h"
#include "libs/common/testing/fake_job_store.h"
#include "services/api-gateway/sha256.h"
#include "services/bridge/bridge.h"
#include "services/dispatcher/dispatcher.h"
#include "tests/simulation/planted.h"

namespace renderyard::simulation {

namespace {

constexpr char kBridgeAddress[] = "bridge-1:7001";
constexpr char kSecondBridgeAddress[] = "bridge-2:7001";
constexpr char kDispatcherAddress[] = "dispatcher-1:7002";
constexpr char kClusterEpoch[] = "00000000-0000-4000-8000-00000000c105";

// Everything a bridge process holds, wired as its main does.
struct BridgeProcess {
  BridgeProcess(sim::Process& process, testing::FakeDatabase& database, sim::DatabaseWeather& database_weather,
                testing::ArtifactDepot& depot, sim::DatabaseWeather& depot_weather, testing::FakeRedis& redis,
                sim::DatabaseWeather& cache_weather, testing::HintBus& bus, const testing::ComfyFleet& fleet,
                PlantedBug planted, bridge::Config config)
      : link(process, database_weather),
        depot_link(process, depot_weather),
        cache_link(process, cache_weather),
        store(process.strand(), database, link),
        connector(process, fleet),
        artifacts(process.strand(), depot, depot_link, [&process] { return process.alive(); }),
        cache(process.strand(), redis, cache_link),
        hints(process.strand(), bus),
        planted_store(process, store, planted),
        planted_connector(process, connector, fleet, planted),
        service({process.strand(), process.clock(), process.random(), process.journal(), planted_store,
                 planted_connector, artifacts, cache, hints, observer},
                std::move(config)) {}

  sim::SimDatabaseLink link, depot_link, cache_link;
  testing::FakeExecutionStore store;
  testing::FakeComfyConnector connector;
  testing::FakeArtifacts artifacts;
  testing::FakeProgressCache cache;
  testing::FakeHints hints;
  bridge::Observer observer;
  PlantedStore planted_store;
  PlantedConnector planted_connector;
  bridge::Bridge service;
};

struct DispatcherProcess {
  DispatcherProcess(sim::Process& process, testing::FakeDatabase& database, sim::DatabaseWeather& weather,
                    sim::SimNetwork& network, testing::HintBus& bus, dispatcher::Config config)
      : link(process, weather),
        store(process.strand(), database, link),
        log(process.strand(), database, link),
        bridges(process, network),
        hints(process.strand(), bus),
        service({process.strand(), process.clock(), process.random(), process.journal(), store, log, bridges, hints},
                std::move(config)) {}

  sim::SimDatabaseLink link;
  testing::FakeDispatchStore store;
  testing::FakeEventLog log;
  sim::SimBridgeClient bridges;
  testing::FakeHints hints;
  dispatcher::Dispatcher service;
};

struct GatewayProcess {
  GatewayProcess(sim::Process& process, testing::FakeDatabase& database, sim::DatabaseWeather& weather,
                 sim::SimNetwork& network, testing::HintBus& bus, testing::ArtifactDepot& depot,
                 sim::DatabaseWeather& depot_weather, gateway::Config config)
      : link(process, weather),
        depot_link(process, depot_weather),
        store(process.strand(), database, link),
        bridges(process, network),
        dispatchers(process, network),
        hints(process.strand(), bus),
        artifacts(process.strand(), depot, depot_link, [&process] { return process.alive(); }),
        service({process.strand(), process.clock(), process.random(), process.journal(), store, bridges, dispatchers,
                 hints, artifacts},
                std::move(config)) {}

  sim::SimDatabaseLink link, depot_link;
  testing::FakeJobStore store;
  sim::SimBridgeClient bridges;
  sim::SimDispatcherClient dispatchers;
  testing::FakeHints hints;
  testing::FakeArtifacts artifacts;
  gateway::Gateway service;
};

base::Task<absl::Status> add_instances(ports::InstanceStore& store, int count, int slots_of_first) {
  for (int i = 1; i <= count; ++i) {
    ports::NewInstance instance;
    instance.name = "comfy-" + std::to_string(i);
    instance.api_url = "http://" + instance.name + ":8188";
    instance.ws_url = "ws://" + instance.name + ":8188";
    instance.slots = i == 1 ? slots_of_first : 1;
    instance.unique_prefix = i != 2;
    auto added = co_await store.add(std::move(instance));
    if (!added.ok()) co_return added.status();
  }
  co_return absl::OkStatus();
}

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::kBridge:
      return "bridge";
    case Role::kDispatcher:
      return "dispatcher";
    case Role::kGateway:
      return "gateway";
  }
  return "?";
}

Park::Park(const Options& options, int instances)
    : options_(options),
      database_([this] { return world_.now(); }, kClusterEpoch),
      world_(options.seed),
      network_(world_),
      redis_([this] { return world_.now(); }) {
  world_.trace().record(options.trace_lines);
  hints_.set_carrier([this](ports::Topic, testing::HintBus::Delivery delivery) { carry_hint(std::move(delivery)); });
  user_ = database_.add_user("workload", ports::Role::kUser, gateway::sha256_hex(kToken));
  for (int i = 1; i <= instances + 1; ++i) {
    const std::string name = "comfy-" + std::to_string(i);
    testing::FakeComfy::Options comfy;
    comfy.own_prompt_ids = !world_.random().chance(0.1);
    comfies_.push_back(std::make_unique<testing::FakeComfy>(world_, name, comfy));
    fleet_.emplace(url_of(static_cast<std::size_t>(i - 1)), comfies_.back().get());
  }
  sim::Process& setup = world_.start("setup");
  testing::ImmediateLink link;
  testing::FakeInstanceStore store(setup.strand(), database_, link);
  bool done = false;
  // Some fleets pre-queue.
  const int slots_of_first = world_.random().chance(0.3) ? 2 : 1;
  setup.spawn(add_instances(store, instances, slots_of_first), [this, &done](absl::Status status) {
    done = true;
    if (!status.ok()) find("set-up: " + status.ToString());
  });
  world_.run_until([&done] { return done; }, world_.now() + absl::Minutes(1));
  world_.kill(setup);
}

Park::~Park() {
  for (const auto& process : world_.processes()) world_.kill(*process);
}

int Park::index_of(ports::InstanceId instance) const {
  const std::string& url = database_.instance(instance)->row.api_url;
  for (std::size_t i = 0; i < comfies_.size(); ++i) {
    if (url_of(i) == url) return static_cast<int>(i);
  }
  return -1;
}

void Park::find(std::string finding) {
  world_.note("FINDING", finding);
  findings_.push_back(std::move(finding));
}

sim::Process* Park::process(Role role) {
  return processes_[static_cast<std::size_t>(role)];
}

void Park::kill(Role role) {
  sim::Process*& process = processes_[static_cast<std::size_t>(role)];
  if (process == nullptr) return;
  world_.note(process->name(), "is killed");
  world_.kill(*process);
  process = nullptr;
}

void Park::start(Role role) {
  const auto index = static_cast<std::size_t>(role);
  if (processes_[index] != nullptr) return;
  sim::Process& process = world_.start(std::string(to_string(role)) + "#" + std::to_string(++incarnations_[index]));
  processes_[index] = &process;
  world_.note(process.name(), "starts");
  switch (role) {
    case Role::kBridge:
      // The next one is started only after the death of the last.
      return start_bridge(process, {"bridge-1", kBridgeAddress});
    case Role::kDispatcher:
      return start_dispatcher(process);
    case Role::kGateway:
      return start_gateway(process);
  }
}

std::function<void(absl::Status)> Park::watch_end(Role role) {
  return [this, role](absl::Status status) {
    find(std::string(to_string(role)) + " ended by itself: " + status.ToString());
  };
}

void Park::start_second_bridge() {
  sim::Process& process = world_.start("second bridge");
  world_.note(process.name(), "starts");
  start_bridge(process, {"bridge-2", kSecondBridgeAddress});
}

void Park::replace_bridge() {
  constexpr auto kIndex = static_cast<std::size_t>(Role::kBridge);
  sim::Process& process = world_.start("bridge#" + std::to_string(++incarnations_[kIndex]));
  processes_[kIndex] = &process;
  world_.note(process.name(), "starts under the id of one that lives");
  start_bridge(process, {"bridge-1", kBridgeAddress, false});
}

void Park::start_bridge(sim::Process& process, BridgeName name) {
  bridge::Config config;
  config.identity.owner = std::move(name.id);
  config.identity.address = name.address;
  if (name.predecessor_is_dead) config.identity.lock = "lock of " + config.identity.owner;
  auto& parts = process.make<BridgeProcess>(process, database_, database_weather_, depot_, depot_weather_, redis_,
                                            cache_weather_, hints_, fleet_, options_.planted, std::move(config));
  sim::BridgeEndpoint endpoint;
  endpoint.wake = [&parts](base::ExecutionId id, base::InstanceId instance) { parts.service.wake(id, instance); };
  endpoint.progress = [&parts] { return parts.service.watch_progress(); };
  network_.serve(name.address, process, std::move(endpoint));
  process.spawn(parts.service.run(), watch_end(Role::kBridge));
}

void Park::start_dispatcher(sim::Process& process) {
  auto& parts =
      process.make<DispatcherProcess>(process, database_, database_weather_, network_, hints_, dispatcher::Config{});
  sim::DispatcherEndpoint endpoint;
  endpoint.events = [&parts](std::string epoch, std::optional<std::int64_t> after) {
    return parts.service.watch_events(std::move(epoch), after);
  };
  network_.serve(kDispatcherAddress, process, std::move(endpoint));
  process.spawn(parts.service.run(), watch_end(Role::kDispatcher));
}

void Park::start_gateway(sim::Process& process) {
  gateway::Config config;
  config.dispatcher_addresses = {kDispatcherAddress};
  auto& parts = process.make<GatewayProcess>(process, database_, database_weather_, network_, hints_, depot_,
                                             depot_weather_, std::move(config));
  gateway_ = &parts.service;
  process.spawn(parts.service.run(), watch_end(Role::kGateway));
}

void Park::carry_hint(testing::HintBus::Delivery delivery) {
  // A database that is away takes its notifications with it.
  if (database_weather_.away || world_.random().chance(hint_loss_)) return;
  const bool doubled = world_.random().chance(0.02);
  world_.after(absl::Microseconds(100) + world_.random().jitter(absl::Milliseconds(3)), delivery);
  if (doubled) world_.after(world_.random().jitter(absl::Seconds(1)), std::move(delivery));
}

}  // namespace renderyard::simulation
