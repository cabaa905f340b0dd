#include "libs/common/testing/sim/network.h"

#include <vector>

namespace renderyard::testing::sim {

absl::Duration SimNetwork::latency() {
  return weather_.latency_min + random_->jitter(weather_.latency_max - weather_.latency_min);
}

void SimNetwork::serve(const std::string& address, Process& process, BridgeEndpoint endpoint) {
  bridges_.insert_or_assign(address, BridgeServer{&process, std::move(endpoint)});
}

void SimNetwork::serve(const std::string& address, Process& process, DispatcherEndpoint endpoint) {
  dispatchers_.insert_or_assign(address, DispatcherServer{&process, std::move(endpoint)});
}

SimNetwork::BridgeServer* SimNetwork::bridge(const std::string& address) {
  auto it = bridges_.find(address);
  return it == bridges_.end() ? nullptr : &it->second;
}

SimNetwork::DispatcherServer* SimNetwork::dispatcher(const std::string& address) {
  auto it = dispatchers_.find(address);
  return it == dispatchers_.end() ? nullptr : &it->second;
}

void SimNetwork::break_streams() {
  std::vector<std::function<void(absl::Status)>> breaks;
  for (auto& [id, end] : std::exchange(open_links_, {})) breaks.push_back(std::move(end));
  for (auto& end : breaks) end(absl::UnavailableError("stream broken"));
}

void SimNetwork::call(Process* server, std::function<void()> effect, std::function<void(absl::Status)> answer) {
  if (random_->chance(weather_.lost)) {
    world_.after(latency(), [answer] { answer(absl::UnavailableError("request lost")); });
    return;
  }
  const bool unheard = random_->chance(weather_.unheard);
  const bool doubled = random_->chance(weather_.doubled);
  const bool late = random_->chance(weather_.late);
  absl::Duration there = latency();
  if (late) there += random_->jitter(absl::Seconds(5));
  auto arrive = [this, server, effect, answer, unheard] {
    if (server == nullptr || !server->alive()) {
      world_.after(latency(), [answer] { answer(absl::UnavailableError("connection refused")); });
      return;
    }
    server->deliver([this, effect, answer, unheard] {
      effect();
      const absl::Status heard = unheard ? absl::UnavailableError("answer lost") : absl::OkStatus();
      world_.after(latency(), [answer, heard] { answer(heard); });
    });
  };
  world_.after(there, arrive);
  if (doubled) {
    auto again = [server, effect] {
      if (server != nullptr) server->deliver([effect] { effect(); });
    };
    world_.after(there + random_->jitter(absl::Seconds(2)), again);
  }
}

base::Task<absl::Status> SimBridgeClient::submit_execution(std::string address, base::ExecutionId execution,
                                                           base::InstanceId instance, absl::Time deadline) {
  auto start = [this, address, execution, instance](Reply<absl::Status> reply) {
    SimNetwork::BridgeServer* server = network_.bridge(address);
    std::function<void()> effect;
    if (server != nullptr) effect = [wake = server->endpoint.wake, execution, instance] { wake(execution, instance); };
    network_.call(server != nullptr ? server->process : nullptr, std::move(effect),
                  [reply](absl::Status status) { reply(std::move(status)); });
  };
  co_return co_await exchange<absl::Status>(process_, deadline, std::move(start));
}

base::StreamPtr<ports::Progress> SimBridgeClient::progress(std::string address) {
  SimNetwork::BridgeServer* server = network_.bridge(address);
  if (server == nullptr) return network_.stream<ports::Progress>(process_, nullptr, {});
  return network_.stream<ports::Progress>(process_, server->process, server->endpoint.progress);
}

base::StreamPtr<ports::EventBatch> SimDispatcherClient::events(std::string address, std::string epoch,
                                                               std::optional<std::int64_t> after) {
  SimNetwork::DispatcherServer* server = network_.dispatcher(address);
  if (server == nullptr) return network_.stream<ports::EventBatch>(process_, nullptr, {});
  auto open = [events = server->endpoint.events, epoch, after] { return events(epoch, after); };
  return network_.stream<ports::EventBatch>(process_, server->process, std::move(open));
}

}  // namespace renderyard::testing::sim
