#include "libs/common/testing/fake_comfy/handle.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/testing/sim/exchange.h"

namespace renderyard::testing {

namespace {

// It does not tell of every class that it has.
constexpr char kObjectInfo[] = R"({
  "CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [["model.safetensors"]]}}, "output_node": false},
  "KSampler": {"input": {}, "output_node": false},
  "VAEDecode": {"input": {}, "output_node": false},
  "HangingNode": {"input": {}, "output_node": false},
  "SaveAnywhere": {"input": {}, "output_node": true},
  "SaveImage": {"input": {}, "output_node": true},
  "SaveImageWebsocket": {"input": {}, "output_node": true}})";
constexpr char kSystemStats[] = R"({"system": {"comfyui_version": "0.33.0"}, "devices": []})";

using sim::Process;
using sim::Reply;
using PostFault = FakeComfy::PostFault;

// One HTTP request that may be repeated: there, handled at that moment, and back.
template <class R>
base::Task<R> request(Process& process, FakeComfy& server, std::function<R()> handle, absl::Time deadline) {
  auto start = [&server, handle](Reply<R> reply) {
    sim::World& world = server.world();
    world.after(server.latency(), [&server, &world, handle, reply] {
      if (server.refusing()) {
        world.after(server.latency(), [reply] { reply(R(absl::UnavailableError("connection refused"))); });
        return;
      }
      const int life = server.life();
      auto result = std::make_shared<R>(handle());
      world.after(server.latency(), [&server, life, reply, result] {
        reply(server.life() == life ? *result : R(absl::UnavailableError("connection reset")));
      });
    });
  };
  co_return co_await sim::exchange<R>(process, deadline, std::move(start));
}

// The socket of one connection, as the process holds it. `wire` outlives it in deliveries under way.
class Socket final : public ports::ComfySocket {
 public:
  Socket(Process& process, FakeComfy& server, FakeComfy::SocketId id, std::shared_ptr<FakeComfy::Messages> messages)
      : process_(process), server_(server), id_(id), messages_(std::move(messages)) {}
  // A regular close by a living process; what follows its death is arranged at connect().
  ~Socket() override {
    if (process_.alive()) end(server_.latency());
  }

  base::Task<absl::StatusOr<std::optional<domain::ComfyMessage>>> next() override {
    auto message = co_await messages_->next();
    if (message.ok() && !message->has_value()) co_return absl::UnavailableError("socket closed");
    co_return message;
  }

  base::Task<absl::Status> ping(absl::Time deadline) override {
    auto start = [this](Reply<absl::Status> reply) {
      sim::World& world = server_.world();
      world.after(server_.latency(), [&server = server_, &world, id = id_, reply] {
        const bool open = server.socket_open(id);
        world.after(server.latency(),
                    [reply, open] { reply(open ? absl::OkStatus() : absl::UnavailableError("socket closed")); });
      });
    };
    co_return co_await sim::exchange<absl::Status>(process_, deadline, std::move(start));
  }

  base::Task<absl::Status> close(absl::Time deadline) override {
    auto start = [this](Reply<absl::Status> reply) {
      const absl::Duration there = server_.latency();
      end(there);
      const absl::Duration back = server_.latency();
      server_.world().after(there + back, [reply] { reply(absl::OkStatus()); });
    };
    co_return co_await sim::exchange<absl::Status>(process_, deadline, std::move(start));
  }

 private:
  void end(absl::Duration delay) {
    if (std::exchange(ended_, true)) return;
    server_.world().after(delay, [&server = server_, id = id_] { server.end_socket(id); });
  }

  Process& process_;
  FakeComfy& server_;
  FakeComfy::SocketId id_;
  std::shared_ptr<FakeComfy::Messages> messages_;
  bool ended_ = false;
};

// A WebSocket handshake on its way.
struct Connecting {
  Process& process;
  FakeComfy& server;
  std::string client_id;
  std::shared_ptr<FakeComfy::Messages> messages = std::make_shared<FakeComfy::Messages>(process);
  FakeComfy::SocketId id = 0;
  bool gave_up = false;
};

void open(const std::shared_ptr<Connecting>& connecting, const Reply<absl::StatusOr<FakeComfy::SocketId>>& reply) {
  FakeComfy& server = connecting->server;
  sim::World& world = server.world();
  if (connecting->gave_up || !connecting->process.alive()) return;
  if (server.refusing()) {
    world.after(server.latency(), [reply] { reply(absl::UnavailableError("connection refused")); });
    return;
  }
  const FakeComfy::SocketId id = server.open_socket(connecting->client_id, connecting->messages);
  connecting->id = id;
  // The end of the process's side is noticed at once as a rule, but a proxy or a lost packet can make it seconds.
  const bool slowly = world.random().chance(0.1);
  const absl::Duration noticed = world.random().jitter(slowly ? absl::Seconds(5) : absl::Milliseconds(20));
  connecting->process.at_death(
      [&server, &world, noticed, id] { world.after(noticed, [&server, id] { server.end_socket(id); }); });
  world.after(server.latency(), [reply, id] { reply(id); });
}

domain::PostOutcome outcome_of(domain::PostOutcome::Kind kind, std::string error) {
  domain::PostOutcome outcome;
  outcome.kind = kind;
  outcome.error = std::move(error);
  return outcome;
}

// A POST on its way. Nothing in here knows whether the caller still lives.
struct Post {
  FakeComfy& server;
  std::string body;
  std::function<bool()> may_begin;
  Reply<absl::StatusOr<domain::PostOutcome>> reply;

  sim::World& world() const { return server.world(); }
  void answer(absl::Duration delay, domain::PostOutcome outcome) const {
    world().after(delay, [reply = reply, outcome = std::move(outcome)] { reply(outcome); });
  }
  void unclear(absl::Duration delay, std::string error) const {
    answer(delay, outcome_of(domain::PostOutcome::Kind::kUnclear, std::move(error)));
  }
};

void arrive(const std::shared_ptr<Post>& post, std::optional<PostFault> fault);

void connect_and_send(const std::shared_ptr<Post>& post) {
  FakeComfy& server = post->server;
  if (!post->may_begin()) {
    post->answer(absl::ZeroDuration(), outcome_of(domain::PostOutcome::Kind::kConnectFailed, "the deadline came"));
    return;
  }
  auto fault = server.take_post_fault(post->body);
  if (server.refusing() || fault == PostFault::kRefuseConnection) {
    post->answer(server.latency(), outcome_of(domain::PostOutcome::Kind::kConnectFailed, "connection refused"));
    return;
  }
  if (fault == PostFault::kNotSent) {
    post->answer(server.latency(), outcome_of(domain::PostOutcome::Kind::kNotSent, "reset while sending"));
    return;
  }
  const int life = server.life();
  if (fault == PostFault::kReadLate) {
    // The client's side of the connection ends unanswered; what it has written is still in the server's buffers.
    const absl::Duration gives_up = post->world().random().jitter(absl::Seconds(2));
    const absl::Duration late = post->world().random().jitter(absl::Seconds(8));
    post->unclear(gives_up, "reset before an answer");
    post->world().after(gives_up + late, [post, life] {
      if (post->server.up() && post->server.life() == life) post->server.post(post->body);
    });
    return;
  }
  post->world().after(server.latency(), [post, fault, life] {
    if (!post->server.up() || post->server.life() != life) {
      post->unclear(post->server.latency(), "connection reset");
      return;
    }
    arrive(post, fault);
  });
}

void arrive(const std::shared_ptr<Post>& post, std::optional<PostFault> fault) {
  FakeComfy& server = post->server;
  if (fault == PostFault::kBusy503) {
    domain::PostOutcome busy = outcome_of(domain::PostOutcome::Kind::kAnswered, "");
    busy.http_status = 503;
    busy.content_type = "text/html";
    busy.body = "<html>503 Service Unavailable</html>";
    post->answer(server.latency(), std::move(busy));
    return;
  }
  domain::PostOutcome outcome = server.post(post->body);
  if (fault == PostFault::kLoseAnswer) {
    post->unclear(server.latency(), "reset before the answer");
    return;
  }
  if (fault == PostFault::kAnswer500Queued) {
    outcome.http_status = 500;
    outcome.content_type = "text/plain; charset=utf-8";
    outcome.body = "500 Internal Server Error";
  }
  if (fault == PostFault::kDieOnAccept) {
    server.die();
    post->unclear(server.latency(), "connection reset");
    return;
  }
  const int life = server.life();
  auto result = std::make_shared<domain::PostOutcome>(std::move(outcome));
  post->world().after(server.latency(), [post, result, life] {
    if (post->server.life() == life) {
      post->reply(*result);
    } else {
      post->reply(outcome_of(domain::PostOutcome::Kind::kUnclear, "connection reset"));
    }
  });
}

}  // namespace

std::unique_ptr<ports::ComfyInstance> FakeComfyConnector::instance(const ports::InstanceRow& row) {
  return std::make_unique<FakeComfyInstance>(process_, *fleet_.at(row.api_url));
}

base::Task<absl::StatusOr<std::unique_ptr<ports::ComfySocket>>> FakeComfyInstance::connect(std::string client_id,
                                                                                           absl::Time deadline) {
  auto connecting = std::make_shared<Connecting>(Connecting{process_, server_, std::move(client_id)});
  auto start = [connecting](Reply<absl::StatusOr<FakeComfy::SocketId>> reply) {
    FakeComfy& server = connecting->server;
    server.world().after(server.latency(), [connecting, reply] { open(connecting, reply); });
  };
  auto id = co_await sim::exchange<absl::StatusOr<FakeComfy::SocketId>>(process_, deadline, std::move(start));
  if (!id.ok()) {
    connecting->gave_up = true;
    if (connecting->id != 0)
      server_.world().after(server_.latency(), [connecting] { connecting->server.end_socket(connecting->id); });
    co_return id.status();
  }
  co_return std::make_unique<Socket>(process_, server_, *id, connecting->messages);
}

base::Task<absl::StatusOr<ports::ComfyAbilities>> FakeComfyInstance::probe(absl::Time deadline) {
  std::function<absl::StatusOr<ports::ComfyAbilities>()> handle = [&server = server_] { return server.abilities(); };
  co_return co_await request(process_, server_, std::move(handle), deadline);
}

base::Task<domain::PostOutcome> FakeComfyInstance::post_prompt(std::string body, absl::Time begin_by,
                                                               absl::Time deadline) {
  auto start = [this, body, begin_by](Reply<absl::StatusOr<domain::PostOutcome>> reply) {
    auto may_begin = [&process = process_, begin_by] { return process.clock().now() < begin_by; };
    auto post = std::make_shared<Post>(Post{server_, body, std::move(may_begin), std::move(reply)});
    server_.world().after(server_.latency(), [post] { connect_and_send(post); });
  };
  auto outcome = co_await sim::exchange<absl::StatusOr<domain::PostOutcome>>(process_, deadline, std::move(start));
  if (outcome.ok()) co_return *std::move(outcome);
  co_return outcome_of(domain::PostOutcome::Kind::kUnclear, std::string(outcome.status().message()));
}

base::Task<absl::StatusOr<domain::QueueListing>> FakeComfyInstance::queue(absl::Time deadline) {
  std::function<absl::StatusOr<domain::QueueListing>()> handle = [&server = server_] { return server.queue(); };
  co_return co_await request(process_, server_, std::move(handle), deadline);
}

base::Task<absl::StatusOr<std::optional<domain::HistoryEntry>>> FakeComfyInstance::history(std::string prompt_id,
                                                                                           absl::Time deadline) {
  std::function<absl::StatusOr<std::optional<domain::HistoryEntry>>()> handle = [&server = server_, prompt_id] {
    return server.history(prompt_id);
  };
  co_return co_await request(process_, server_, std::move(handle), deadline);
}

base::Task<absl::StatusOr<std::vector<domain::QueueItem>>> FakeComfyInstance::recent_history(int max_items,
                                                                                             absl::Time deadline) {
  std::function<absl::StatusOr<std::vector<domain::QueueItem>>()> handle = [&server = server_, max_items] {
    return server.recent_history(max_items);
  };
  co_return co_await request(process_, server_, std::move(handle), deadline);
}

base::Task<absl::StatusOr<ports::FetchedFile>> FakeComfyInstance::fetch(domain::OutputFile file, ports::ByteSink sink,
                                                                        ports::FetchBegun on_begun,
                                                                        absl::Time deadline) {
  std::function<absl::StatusOr<FakeComfy::File>()> handle = [&server = server_, file] { return server.file(file); };
  ASSIGN_OR_CO_RETURN(const FakeComfy::File begun, co_await request(process_, server_, handle, deadline));
  if (on_begun) on_begun(begun.version);
  // In two chunks, with the connection alive in between. Whoever writes over the file meanwhile is read then.
  const std::size_t half = begun.content.size() / 2;
  std::string chunk = begun.content.substr(0, half);
  CO_RETURN_IF_ERROR(co_await sink(std::move(chunk)));
  server_.maybe_overwrite_while_read(file);
  ASSIGN_OR_CO_RETURN(const FakeComfy::File rest, co_await request(process_, server_, handle, deadline));
  chunk = rest.content.substr(half, begun.content.size() - half);
  CO_RETURN_IF_ERROR(co_await sink(std::move(chunk)));
  ports::FetchedFile fetched;
  fetched.version = begun.version;
  fetched.content_type = "image/png";
  co_return fetched;
}

base::Task<absl::StatusOr<ports::FileVersion>> FakeComfyInstance::version(domain::OutputFile file,
                                                                          absl::Time deadline) {
  std::function<absl::StatusOr<FakeComfy::File>()> handle = [&server = server_, file] { return server.file(file); };
  ASSIGN_OR_CO_RETURN(FakeComfy::File now, co_await request(process_, server_, std::move(handle), deadline));
  co_return std::move(now.version);
}

base::Task<absl::StatusOr<domain::ServerDescription>> FakeComfyInstance::describe(absl::Time deadline) {
  std::function<absl::StatusOr<domain::ServerDescription>()> handle = [] {
    return domain::parse_description(kObjectInfo, kSystemStats);
  };
  co_return co_await request(process_, server_, std::move(handle), deadline);
}

base::Task<absl::Status> FakeComfyInstance::cancel(std::string prompt_id, ports::ComfyAbilities abilities,
                                                   absl::Time deadline) {
  if (!abilities.atomic_cancel) {
    co_return absl::FailedPreconditionError("this server could stop another prompt instead");
  }
  std::function<absl::Status()> handle = [&server = server_, prompt_id] {
    server.cancel(prompt_id);
    return absl::OkStatus();
  };
  co_return co_await request(process_, server_, std::move(handle), deadline);
}

}  // namespace renderyard::testing
