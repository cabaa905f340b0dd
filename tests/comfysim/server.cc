#include "tests/comfysim/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "tests/comfysim/executor.h"
#include "tests/comfysim/http_session.h"
#include "tests/comfysim/hub.h"
#include "tests/comfysim/routes.h"

namespace comfysim {
namespace {

using asio::ip::tcp;

Options with_folder(Options options) {
  std::filesystem::create_directories(options.dir);
  return options;
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(Options options)
      : hub_(io_),
        machine_(with_folder(std::move(options)), hub_),
        routes_(machine_),
        executor_(machine_),
        acceptor_(io_, tcp::endpoint(asio::ip::make_address(machine_.options.host), machine_.options.port)) {
    asio::co_spawn(io_, accept_loop(), asio::detached);
    asio::co_spawn(io_, hub_.publish_loop(), asio::detached);
    io_thread_ = std::thread([this] { io_.run(); });
    worker_ = std::thread([this] { executor_.run_forever(); });
  }

  ~Impl() {
    machine_.queue.stop();
    machine_.control.end_life();
    worker_.join();
    io_.stop();
    io_thread_.join();
  }

  std::uint16_t port() const { return port_; }

 private:
  asio::awaitable<void> accept_loop() {
    for (;;) {
      auto [error, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
      if (!error) {
        asio::co_spawn(io_, serve_http(std::move(socket), hub_, machine_, routes_), asio::detached);
        continue;
      }
      // Out of descriptors: wait instead of spinning.
      asio::steady_timer pause(io_, std::chrono::milliseconds(50));
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    }
  }

  asio::io_context io_{1};
  Hub hub_;
  Machine machine_;
  Routes routes_;
  Executor executor_;
  tcp::acceptor acceptor_;
  const std::uint16_t port_ = acceptor_.local_endpoint().port();
  std::thread io_thread_;
  std::thread worker_;
};

Server::Server(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Server::~Server() = default;

std::uint16_t Server::port() const {
  return impl_->port();
}

}  // namespace comfysim
