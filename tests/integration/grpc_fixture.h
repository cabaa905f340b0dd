// A server and clients of ours in one process, on one real loop, for the tests of the gRPC glue.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/adapters/grpc/peers.h"
#include "libs/common/base/event.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/runtime/grpc/server.h"
#include "services/bridge/grpc_server.h"
#include "services/dispatcher/grpc_server.h"
#include "tests/support/real_loop.h"

namespace renderyard::test {

// What a test decides and sees of a stream's source.
template <class T>
struct SourceScript {
  SourceScript(base::Strand& strand, base::Clock& clock) : more(strand, clock), seen(strand, clock) {}
  std::deque<T> items;
  std::optional<absl::Status> end;  // after the items; nullopt: wait for more
  int given = 0;
  int open = 0;      // sources that live
  base::Event more;  // items or end were changed
  base::Event seen;  // given or open were changed
};

template <class T>
class ScriptedSource final : public base::Stream<T> {
 public:
  explicit ScriptedSource(SourceScript<T>& script) : script_(script) {
    ++script_.open;
    script_.seen.notify();
  }
  ~ScriptedSource() override {
    --script_.open;
    script_.seen.notify();
  }
  ScriptedSource(const ScriptedSource&) = delete;
  ScriptedSource& operator=(const ScriptedSource&) = delete;

  base::Task<absl::StatusOr<std::optional<T>>> next() override {
    while (script_.items.empty()) {
      if (script_.end) {
        if (script_.end->ok()) co_return std::optional<T>();
        co_return *script_.end;
      }
      CO_RETURN_IF_ERROR(co_await script_.more.wait_until(absl::InfiniteFuture()));
    }
    T item = std::move(script_.items.front());
    script_.items.pop_front();
    ++script_.given;
    script_.seen.notify();
    co_return std::optional<T>(std::move(item));
  }

 private:
  SourceScript<T>& script_;
};

class FakeBridge final : public bridge::BridgeApi {
 public:
  explicit FakeBridge(RealLoop& loop) : progress(loop.strand(), loop.clock()), events(loop.strand(), loop.clock()) {}
  void wake(ports::ExecutionId execution, ports::InstanceId) override { woken.push_back(execution.value); }
  base::StreamPtr<ports::Progress> watch_progress() override {
    return std::make_unique<ScriptedSource<ports::Progress>>(progress);
  }
  base::StreamPtr<ports::BridgeEvent> watch_events(bool previews) override {
    asked_previews = previews;
    return std::make_unique<ScriptedSource<ports::BridgeEvent>>(events);
  }
  std::vector<std::int64_t> woken;
  bool asked_previews = false;
  SourceScript<ports::Progress> progress;
  SourceScript<ports::BridgeEvent> events;
};

// What CancelExecution asks of the database: each look gives the next end, the last one for ever.
class ScriptedCancels final : public ports::CancelStore {
 public:
  base::Task<absl::Status> wish(ports::JobId job) override {
    wished.push_back(job.value);
    co_return wish_status;
  }
  base::Task<absl::StatusOr<ports::JobEnd>> look(ports::JobId) override {
    ++looks;
    ports::JobEnd end = ends.front();
    if (ends.size() > 1) ends.pop_front();
    co_return end;
  }
  std::vector<std::int64_t> wished;
  absl::Status wish_status;
  std::deque<ports::JobEnd> ends = {ports::JobEnd()};
  int looks = 0;
};

class SentHints final : public ports::Hints {
 public:
  void send(ports::Topic topic) override { sent.push_back(topic); }
  void listen(ports::Topic, absl::AnyInvocable<void()>) override {}
  std::vector<ports::Topic> sent;
};

class FakeEvents final : public dispatcher::EventsApi {
 public:
  explicit FakeEvents(RealLoop& loop) : events(loop.strand(), loop.clock()) {}
  base::StreamPtr<ports::EventBatch> watch_events(std::string epoch, std::optional<std::int64_t> after) override {
    asked_epoch = std::move(epoch);
    asked_after = after;
    return std::make_unique<ScriptedSource<ports::EventBatch>>(events);
  }
  std::string asked_epoch;
  std::optional<std::int64_t> asked_after;
  SourceScript<ports::EventBatch> events;
};

class GrpcTest : public ::testing::Test {
 protected:
  // Services and options are set before; then start().
  runtime::GrpcServer& make_server(runtime::GrpcServer::Config config) {
    server_ = std::make_unique<runtime::GrpcServer>(
        runtime::GrpcServer::Deps{loop_.strand(), loop_.clock(), loop_.journal()}, std::move(config));
    bridge_service_ = bridge::make_bridge_service(server_->core(), bridge_, {cancels_, cancel_hints_, loop_.clock()});
    events_service_ = dispatcher::make_dispatcher_service(server_->core(), events_);
    server_->add(*bridge_service_, "renderyard.v1.BridgeService");
    server_->add(*events_service_, "renderyard.v1.DispatcherService");
    return *server_;
  }

  void make_clients(const runtime::TransportSecurity& security) {
    auto channels = grpc_clients::Channels::create(security);
    ASSERT_TRUE(channels.ok()) << channels.status();
    bridges_ = std::make_unique<grpc_clients::GrpcBridgeClient>(loop_.strand(), loop_.clock(), *channels);
    dispatchers_ = std::make_unique<grpc_clients::GrpcDispatcherClient>(loop_.strand(), *channels);
  }

  // The usual server, then `body`, then the regular stop.
  absl::Status with_server(base::Task<absl::Status> body) {
    make_server({});
    const absl::Status started = server_->start();
    if (!started.ok()) return started;
    make_clients({});
    return run_and_stop(std::move(body));
  }

  absl::Status run_and_stop(base::Task<absl::Status> body) {
    const absl::Status status = loop_.run(std::move(body));
    EXPECT_EQ(loop_.run(stop()), absl::OkStatus());
    server_->close();
    return status;
  }

  base::Task<absl::Status> stop() {
    server_->stop_accepting();
    server_->stop();
    co_return co_await server_->drain();
  }

  absl::Time soon() { return loop_.clock().now() + absl::Seconds(5); }
  const std::string& address() const { return server_->address(); }

  template <class T>
  base::Task<absl::Status> until_open(SourceScript<T>* script, int count) {
    while (script->open != count) CO_RETURN_IF_ERROR(co_await script->seen.wait_until(absl::InfiniteFuture()));
    co_return absl::OkStatus();
  }

  RealLoop loop_;
  FakeBridge bridge_{loop_};
  FakeEvents events_{loop_};
  ScriptedCancels cancels_;
  SentHints cancel_hints_;
  std::unique_ptr<grpc::Service> bridge_service_;
  std::unique_ptr<grpc::Service> events_service_;
  std::unique_ptr<runtime::GrpcServer> server_;
  std::unique_ptr<grpc_clients::GrpcBridgeClient> bridges_;
  std::unique_ptr<grpc_clients::GrpcDispatcherClient> dispatchers_;
};

}  // namespace renderyard::test
