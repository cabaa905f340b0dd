#include "services/api-gateway/http/server.h"

#include <absl/strings/str_cat.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"
#include "services/api-gateway/http/connection.h"

namespace renderyard::gateway::http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {
constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kMaxRefusals = 64;  // connections being told 503; beyond that they are just closed
}  // namespace

class Server::Impl {
 public:
  Impl(Deps deps, ServerConfig config)
      : config_(std::move(config)),
        shared_{deps, config_, false, 0},
        acceptor_(deps.io),
        connections_(deps.strand),
        refusals_(deps.strand) {}

  absl::Status listen() {
    boost::system::error_code error;
    tcp::resolver resolver(shared_.deps.io);
    const auto found = resolver.resolve(config_.host, std::to_string(config_.port), tcp::resolver::passive, error);
    if (error || found.empty()) return failed("resolve", error);
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return failed("listen", error);
    const tcp::endpoint actual = acceptor_.local_endpoint(error);
    const std::string host = actual.address().to_string();
    address_ = actual.address().is_v6() ? absl::StrCat("[", host, "]:", actual.port())
                                        : absl::StrCat(host, ":", actual.port());
    return absl::OkStatus();
  }

  const std::string& address() const { return address_; }
  std::size_t connections() const { return handles_.size(); }

  base::Task<absl::Status> run() {
    const absl::Status accepted = co_await accept_all();
    if (absl::IsCancelled(accepted)) close_all();
    auto& clock = shared_.deps.clock;
    const auto timer = clock.call_at(clock.now() + config_.drain_timeout, [this] { close_all(); });
    const absl::Status drained = co_await connections_.join();
    refusals_.cancel();
    const absl::Status refused = co_await refusals_.join();
    refused.IgnoreError();
    clock.cancel(timer);
    drained.IgnoreError();  // connections end with OK, whatever happened on them
    co_return absl::OkStatus();
  }

  void stop() {
    shared_.stopping = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (auto& [id, handle] : handles_) {
      if (handle->idle && handle->close) handle->close();
    }
  }

 private:
  static absl::Status failed(std::string_view what, const boost::system::error_code& error) {
    return absl::UnavailableError(absl::StrCat("http ", std::string(what), ": ", error.message()));
  }

  base::Task<absl::Status> accept_all() {
    while (!shared_.stopping) {
      auto [error, socket] = co_await acceptor_.async_accept(kToken);
      if (shared_.stopping) break;
      if (error) {
        // Out of file descriptors, most likely: it passes.
        shared_.deps.journal.warning("http_accept_failed", {{base::key::kReason, error.message()}});
        CO_RETURN_IF_ERROR(co_await shared_.deps.clock.sleep_for(absl::Milliseconds(100)));
        continue;
      }
      admit(std::move(socket));
    }
    co_return absl::OkStatus();
  }

  void admit(tcp::socket socket) {
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    boost::beast::tcp_stream stream(std::move(socket));
    if (handles_.size() >= config_.max_connections) {
      if (refusals_.live() < kMaxRefusals) refusals_.spawn_isolated(refuse_connection(shared_, std::move(stream)));
      return;
    }
    const std::uint64_t id = next_id_++;
    handles_.emplace(id, std::make_unique<Handle>());
    connections_.spawn_isolated(serve(id, std::move(stream)));
  }

  base::Task<absl::Status> serve(std::uint64_t id, boost::beast::tcp_stream stream) {
    Handle& handle = *handles_.at(id);
    const absl::Status ended = co_await serve_connection(shared_, handle, std::move(stream));
    handles_.erase(id);
    co_return ended;
  }

  void close_all() {
    for (auto& [id, handle] : handles_) {
      if (handle->close) handle->close();
    }
  }

  ServerConfig config_;
  Shared shared_;
  tcp::acceptor acceptor_;
  std::string address_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, std::unique_ptr<Handle>> handles_;
  base::Group connections_;
  base::Group refusals_;
};

Server::Server(Deps deps, ServerConfig config) : impl_(std::make_unique<Impl>(deps, std::move(config))) {}
Server::~Server() = default;

absl::Status Server::listen() {
  return impl_->listen();
}
std::string Server::address() const {
  return impl_->address();
}
base::Task<absl::Status> Server::run() {
  return impl_->run();
}
void Server::stop() {
  impl_->stop();
}
std::size_t Server::connections() const {
  return impl_->connections();
}

}  // namespace renderyard::gateway::http
