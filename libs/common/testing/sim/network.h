// SimNetwork: gRPC between simulated processes. Calls and stream messages take drawn times; calls may be lost (before
// or after their effect), doubled or late; streams may break. A dead process answers "connection refused" or a reset, a
// stopped one nothing at all.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "libs/common/base/group.h"
#include "libs/common/base/random.h"
#include "libs/common/base/stream.h"
#include "libs/common/ports/peers.h"
#include "libs/common/testing/sim/exchange.h"
#include "libs/common/testing/sim/inbox.h"
#include "libs/common/testing/sim/process.h"
#include "libs/common/testing/sim/world.h"

namespace renderyard::testing::sim {

// What a bridge or a dispatcher serves. Called as jobs of the serving process.
struct BridgeEndpoint {
  std::function<void(base::ExecutionId, base::InstanceId)> wake;
  std::function<base::StreamPtr<ports::Progress>()> progress;
};
struct DispatcherEndpoint {
  std::function<base::StreamPtr<ports::EventBatch>(std::string, std::optional<std::int64_t>)> events;
};

class SimNetwork {
 public:
  struct Weather {
    absl::Duration latency_min = absl::Microseconds(100);
    absl::Duration latency_max = absl::Milliseconds(2);
    double lost = 0;     // of calls, before their effect
    double unheard = 0;  // of calls, after their effect
    double doubled = 0;
    double late = 0;  // by up to 5 s
  };

  explicit SimNetwork(World& world) : world_(world), random_(world.fork("network")) {}

  World& world() { return world_; }
  Weather& weather() { return weather_; }
  absl::Duration latency();
  base::Random& random() { return *random_; }

  // Until the process dies or another serves the address.
  void serve(const std::string& address, Process& process, BridgeEndpoint endpoint);
  void serve(const std::string& address, Process& process, DispatcherEndpoint endpoint);

  // Every stream that is open now breaks, both ends hear it.
  void break_streams();

  // Runs `effect` as a job of the serving process after a drawn time; `answer` is told what the caller hears.
  // `server` may be dead or null (refused).
  void call(Process* server, std::function<void()> effect, std::function<void(absl::Status)> answer);

  template <class T>
  struct Link;
  // A stream from `server` to `client`. `open` runs in the server.
  template <class T>
  base::StreamPtr<T> stream(Process& client, Process* server, std::function<base::StreamPtr<T>()> open);

  struct BridgeServer {
    Process* process = nullptr;
    BridgeEndpoint endpoint;
  };
  struct DispatcherServer {
    Process* process = nullptr;
    DispatcherEndpoint endpoint;
  };
  BridgeServer* bridge(const std::string& address);
  DispatcherServer* dispatcher(const std::string& address);

 private:
  template <class T>
  class ClientEnd;

  World& world_;
  std::unique_ptr<base::Random> random_;
  Weather weather_;
  std::map<std::string, BridgeServer> bridges_;
  std::map<std::string, DispatcherServer> dispatchers_;
  std::uint64_t next_link_ = 1;
  std::map<std::uint64_t, std::function<void(absl::Status)>> open_links_;  // what breaks each
};

// The ports of one process.
class SimBridgeClient final : public ports::BridgeClient {
 public:
  SimBridgeClient(Process& process, SimNetwork& network) : process_(process), network_(network) {}
  base::Task<absl::Status> submit_execution(std::string address, base::ExecutionId execution, base::InstanceId instance,
                                            absl::Time deadline) override;
  base::StreamPtr<ports::Progress> progress(std::string address) override;

 private:
  Process& process_;
  SimNetwork& network_;
};

class SimDispatcherClient final : public ports::DispatcherClient {
 public:
  SimDispatcherClient(Process& process, SimNetwork& network) : process_(process), network_(network) {}
  base::StreamPtr<ports::EventBatch> events(std::string address, std::string epoch,
                                            std::optional<std::int64_t> after) override;

 private:
  Process& process_;
  SimNetwork& network_;
};

// Both ends of a stream and what is under way between them. The server's source lives in a coroutine of the server.
template <class T>
struct SimNetwork::Link : std::enable_shared_from_this<Link<T>> {
  Link(SimNetwork& net, Process& client_process, Process* server_process)
      : network(net), server(server_process), inbox(std::make_shared<Inbox<T>>(client_process)) {}

  SimNetwork& network;
  Process* server;
  std::shared_ptr<Inbox<T>> inbox;
  std::uint64_t id = 0;
  bool client_gone = false;
  std::unique_ptr<base::Group> pumping;  // of the server's strand

  void finish(absl::Status status) {
    inbox->send_end(network.latency(), std::move(status));
    network.open_links_.erase(id);
  }
  // The server's end hears that nobody reads any more.
  void abandon() {
    if (server == nullptr) return;
    network.world().after(network.latency(), [self = this->shared_from_this()] {
      self->server->deliver([self] {
        if (self->pumping) self->pumping->cancel();
      });
    });
  }

  static base::Task<absl::Status> pump(base::StreamPtr<T> source, std::shared_ptr<Link> link) {
    for (;;) {
      auto item = co_await source->next();
      if (link->client_gone || link->inbox->end_sent()) co_return absl::OkStatus();
      if (!item.ok() || !item->has_value()) {
        link->finish(item.status());
        co_return absl::OkStatus();
      }
      link->inbox->send(link->network.latency(), **std::move(item));
    }
  }
};

template <class T>
class SimNetwork::ClientEnd final : public base::Stream<T> {
 public:
  explicit ClientEnd(std::shared_ptr<Link<T>> link) : link_(std::move(link)) {}
  ~ClientEnd() override {
    link_->client_gone = true;
    link_->network.open_links_.erase(link_->id);
    link_->abandon();
  }
  base::Task<absl::StatusOr<std::optional<T>>> next() override { return link_->inbox->next(); }

 private:
  std::shared_ptr<Link<T>> link_;
};

template <class T>
base::StreamPtr<T> SimNetwork::stream(Process& client, Process* server, std::function<base::StreamPtr<T>()> open) {
  auto link = std::make_shared<Link<T>>(*this, client, server);
  link->id = next_link_++;
  if (server == nullptr || !server->alive()) {
    link->server = nullptr;
    link->inbox->send_end(latency(), absl::UnavailableError("connection refused"));
    return std::make_unique<ClientEnd<T>>(std::move(link));
  }
  open_links_.emplace(link->id, [weak = std::weak_ptr<Link<T>>(link)](absl::Status status) {
    if (auto self = weak.lock()) {
      self->inbox->send_end(self->network.latency(), std::move(status));
      self->abandon();
    }
  });
  server->at_death([weak = std::weak_ptr<Link<T>>(link)] {
    if (auto self = weak.lock()) self->finish(absl::UnavailableError("connection reset"));
  });
  world_.after(latency(), [link, open = std::move(open)]() mutable {
    if (!link->server->alive()) {
      link->finish(absl::UnavailableError("connection refused"));
      return;
    }
    link->server->deliver([link, open = std::move(open)] {
      if (link->client_gone || link->inbox->end_sent()) return;
      link->pumping = std::make_unique<base::Group>(link->server->strand());
      link->pumping->spawn_isolated(Link<T>::pump(open(), link));
    });
  });
  return std::make_unique<ClientEnd<T>>(std::move(link));
}

}  // namespace renderyard::testing::sim
