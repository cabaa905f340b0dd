// A gateway with its real HTTP and WebSocket server on a loopback port, over fake stores, in a thread of its own. Tests
// speak to it with real clients.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/http_client.h"
#include "libs/common/base/group.h"
#include "libs/common/runtime/system_clock.h"
#include "libs/common/testing/fake_artifacts.h"
#include "libs/common/testing/fake_database.h"
#include "libs/common/testing/fake_event_log.h"
#include "libs/common/testing/fake_hints.h"
#include "libs/common/testing/fake_job_store.h"
#include "services/api-gateway/gateway.h"
#include "services/api-gateway/http/server.h"
#include "services/api-gateway/sha256.h"
#include "services/dispatcher/event_tailer.h"

namespace renderyard::gateway {

inline constexpr char kAnnaToken[] = "anna-token-0123456789";
inline constexpr char kBertToken[] = "bert-token-0123456789";
inline constexpr char kWorkflow[] = R"({"9": {"class_type":"SaveImage","inputs":{"seed":18446744073709551615}}})";

inline std::string good_body(const std::string& rest = "") {
  return std::string(R"({"job_type":"image_generation","parameters":{"workflow":)") + kWorkflow + "}" + rest + "}";
}

class NoJournal final : public base::Journal {
 public:
  void record(base::Severity, std::string_view, std::initializer_list<base::Field>) override {}
};

// The fake store, with answers that a test puts in its way.
class StagedJobs final : public ports::JobStore {
 public:
  explicit StagedJobs(testing::FakeJobStore& store) : store_(store) {}

  std::map<ports::JobId, std::vector<ports::OutputRow>> staged_outputs;
  std::optional<ports::CancelOutcome> staged_cancel;
  bool submit_unanswered = false;

  base::Task<absl::StatusOr<ports::User>> authenticate(std::string token) override {
    return store_.authenticate(std::move(token));
  }
  base::Task<absl::StatusOr<ports::SubmittedJob>> submit(ports::NewJob job) override {
    auto submitted = co_await store_.submit(std::move(job));
    if (submit_unanswered) co_return absl::UnavailableError("COMMIT was not answered");
    co_return submitted;
  }
  base::Task<absl::StatusOr<ports::JobRow>> get(ports::JobId id) override { return store_.get(id); }
  base::Task<absl::StatusOr<ports::JobRow>> get_by_uid(std::string uid) override {
    return store_.get_by_uid(std::move(uid));
  }
  base::Task<absl::StatusOr<std::vector<ports::JobRow>>> list(ports::JobListQuery query) override {
    return store_.list(query);
  }
  base::Task<absl::StatusOr<std::vector<ports::OutputRow>>> outputs(ports::JobId id) override {
    co_return staged_outputs[id];
  }
  base::Task<absl::StatusOr<ports::CancelOutcome>> request_cancel(ports::JobId id, ports::UserId by) override {
    if (staged_cancel) co_return *staged_cancel;
    co_return co_await store_.request_cancel(id, by);
  }
  base::Task<absl::StatusOr<std::vector<ports::JobEvent>>> events(ports::EventQuery query) override {
    return store_.events(query);
  }
  base::Task<absl::StatusOr<ports::ClusterMeta>> cluster() override { return store_.cluster(); }
  base::Task<absl::StatusOr<std::vector<std::string>>> bridge_addresses() override { return store_.bridge_addresses(); }

 private:
  testing::FakeJobStore& store_;
};

class TailerClient final : public ports::DispatcherClient {
 public:
  explicit TailerClient(dispatcher::EventTailer& tailer) : tailer_(tailer) {}
  base::StreamPtr<ports::EventBatch> events(std::string, std::string epoch,
                                            std::optional<std::int64_t> after) override {
    return tailer_.watch(std::move(epoch), after);
  }

 private:
  dispatcher::EventTailer& tailer_;
};

class NoBridges final : public ports::BridgeClient {
 public:
  base::Task<absl::Status> submit_execution(std::string, ports::ExecutionId, ports::InstanceId, absl::Time) override {
    co_return absl::OkStatus();
  }
  base::StreamPtr<ports::Progress> progress(std::string) override { return nullptr; }  // none is ever known
};

// Everything of the server's thread.
struct Backend {
  explicit Backend(const std::function<void(Config&, http::ServerConfig&)>& change)
      : strand(io.get_executor()),
        clock(strand),
        database([this] { return clock.wall(); }, "0b5e6c52-3f5c-4b0e-9d0e-6d5a0f6b7c11"),
        fake_store(strand, database, link),
        store(fake_store),
        log(strand, database, link),
        artifacts(strand, depot, link),
        hints(strand, bus),
        tailer_hints(strand, bus),
        tailer({strand, clock, journal, log}, dispatcher::EventTailer::Config()),
        dispatchers(tailer) {
    config.dispatcher_addresses = {"d"};
    config.max_body_bytes = 64 * 1024;
    server_config.port = 0;
    change(config, server_config);
    logic = std::make_unique<Gateway>(
        Deps{strand, clock, random, journal, store, bridges, dispatchers, hints, artifacts}, config);
    server = std::make_unique<http::Server>(http::Server::Deps{io, strand, clock, journal, *logic}, server_config);
    tailer_hints.listen(ports::Topic::kEvents, [this] { tailer.wake(); });
  }

  boost::asio::io_context io{1};
  base::Strand strand;
  runtime::SystemClock clock;
  base::SplitMix random{7};
  NoJournal journal;
  testing::ImmediateLink link;
  testing::FakeDatabase database;
  testing::FakeJobStore fake_store;
  StagedJobs store;
  testing::FakeEventLog log;
  testing::ArtifactDepot depot;
  testing::FakeArtifacts artifacts;
  testing::HintBus bus;
  testing::FakeHints hints;
  testing::FakeHints tailer_hints;
  dispatcher::EventTailer tailer;
  TailerClient dispatchers;
  NoBridges bridges;
  Config config;
  http::ServerConfig server_config;
  std::unique_ptr<Gateway> logic;
  std::unique_ptr<http::Server> server;
};

class GatewayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    start([](Config&, http::ServerConfig&) {});
  }
  void TearDown() override { stop(); }

  void start(const std::function<void(Config&, http::ServerConfig&)>& change) {
    stop();
    backend_ = std::make_unique<Backend>(change);
    anna_ = backend_->database.add_user("anna", ports::Role::kUser, sha256_hex(kAnnaToken));
    bert_ = backend_->database.add_user("bert", ports::Role::kUser, sha256_hex(kBertToken));
    const absl::Status listening = backend_->server->listen();
    ASSERT_TRUE(listening.ok()) << listening;
    group_ = std::make_unique<base::Group>(backend_->strand);
    group_->spawn_isolated(backend_->logic->run());
    group_->spawn_isolated(backend_->tailer.run());
    group_->spawn_isolated(backend_->server->run());
    thread_ = std::thread([this] {
      auto work = boost::asio::make_work_guard(backend_->io);
      backend_->io.run();
    });
  }

  // A regular stop; returns when the server has let its connections end.
  void stop() {
    if (!backend_) return;
    if (thread_.joinable()) {
      on_strand([this] {
        backend_->server->stop();
        backend_->logic->stop();
        group_->cancel();
      });
      while (on_strand([this] { return group_->live(); }) != 0) std::this_thread::yield();
      backend_->io.stop();
      thread_.join();
    }
    group_.reset();
    backend_->strand.drop_all();
    backend_.reset();
  }

  // Runs `work` in the server's thread.
  template <class Work>
  auto on_strand(Work work) -> decltype(work()) {
    std::promise<decltype(work())> done;
    auto result = done.get_future();
    boost::asio::post(backend_->io, [&] {
      if constexpr (std::is_void_v<decltype(work())>) {
        work();
        done.set_value();
      } else {
        done.set_value(work());
      }
    });
    return result.get();
  }

  std::string address() const { return backend_->server->address(); }
  std::string base() const { return "http://" + address(); }
  cli::HttpClient client(const std::string& token = kAnnaToken) const { return {base(), token}; }

  // Sends bytes and reads until the server has said everything it will: for what well-behaved clients cannot send.
  // `until` ends the reading of a connection that is kept alive.
  std::string raw(const std::string& request, const std::string& until = "") const {
    boost::asio::io_context io;
    boost::asio::ip::tcp::socket socket(io);
    const auto colon = address().rfind(':');
    socket.connect({boost::asio::ip::make_address(address().substr(0, colon)),
                    static_cast<std::uint16_t>(std::stoi(address().substr(colon + 1)))});
    boost::asio::write(socket, boost::asio::buffer(request));
    std::string answer;
    boost::system::error_code error;
    char chunk[4096];
    while (until.empty() || answer.find(until) == std::string::npos) {
      const std::size_t size = socket.read_some(boost::asio::buffer(chunk), error);
      answer.append(chunk, size);
      if (error) break;
    }
    return answer;
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<base::Group> group_;
  std::thread thread_;
  ports::UserId anna_;
  ports::UserId bert_;
};

}  // namespace renderyard::gateway
