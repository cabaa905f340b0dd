#include "tests/comfysim/listener.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace comfysim {
namespace {

// Out of descriptors, or the port is taken at the moment: wait instead of spinning.
constexpr auto kRetry = std::chrono::milliseconds(50);

}  // namespace

Listener::Listener(asio::io_context& io, const asio::ip::tcp::endpoint& endpoint)
    : io_(io), endpoint_(endpoint), acceptor_(io) {
  try {
    open();
  } catch (const boost::system::system_error& error) {
    throw std::runtime_error("cannot listen on port " + std::to_string(endpoint.port()) + ": " +
                             error.code().message());
  }
  endpoint_ = acceptor_.local_endpoint();
}

void Listener::open() {
  acceptor_.open(endpoint_.protocol());
  acceptor_.set_option(asio::socket_base::reuse_address(true));
  acceptor_.bind(endpoint_);
  acceptor_.listen();
}

asio::awaitable<void> Listener::accept_loop(std::function<void(asio::ip::tcp::socket)> serve) {
  for (;;) {
    if (!acceptor_.is_open()) {
      const auto left = closed_until_ - std::chrono::steady_clock::now();
      if (left.count() > 0) co_await pause(std::chrono::ceil<std::chrono::milliseconds>(left));
      bool failed = false;
      try {
        open();
      } catch (const boost::system::system_error&) {
        failed = true;
      }
      if (failed) {
        boost::system::error_code ignored;
        acceptor_.close(ignored);
        co_await pause(kRetry);
        continue;
      }
    }
    auto [error, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
    if (!error) {
      serve(std::move(socket));
    } else if (acceptor_.is_open()) {
      co_await pause(kRetry);
    }
  }
}

void Listener::close_for(std::chrono::milliseconds time) {
  asio::post(io_, [this, time] {
    closed_until_ = std::max(closed_until_, std::chrono::steady_clock::now() + time);
    boost::system::error_code ignored;
    acceptor_.close(ignored);
  });
}

asio::awaitable<void> Listener::pause(std::chrono::milliseconds time) {
  asio::steady_timer timer(io_, time);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace comfysim
