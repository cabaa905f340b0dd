// The listening socket of one server.
#ifndef RENDERYARD_TESTS_COMFYSIM_LISTENER_H_
#define RENDERYARD_TESTS_COMFYSIM_LISTENER_H_

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>

namespace comfysim {

namespace asio = boost::asio;

// Listens from construction on and can go away for a while: connections are then refused, those that are open stay.
class Listener {
 public:
  // Throws std::runtime_error when it cannot listen on `endpoint`; port 0 picks a free one.
  Listener(asio::io_context& io, const asio::ip::tcp::endpoint& endpoint);

  std::uint16_t port() const { return endpoint_.port(); }

  // Gives each new connection to `serve`. Runs until the I/O context stops.
  asio::awaitable<void> accept_loop(std::function<void(asio::ip::tcp::socket)> serve);

  // Any thread. Stops listening, and listens again on the same port after `time`.
  void close_for(std::chrono::milliseconds time);

 private:
  void open();
  asio::awaitable<void> pause(std::chrono::milliseconds time);

  asio::io_context& io_;
  asio::ip::tcp::endpoint endpoint_;
  asio::ip::tcp::acceptor acceptor_;
  std::chrono::steady_clock::time_point closed_until_;  // I/O thread only
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_LISTENER_H_
