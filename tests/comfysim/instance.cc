#include "tests/comfysim/instance.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <filesystem>
#include <utility>

#include "tests/comfysim/http_session.h"

namespace comfysim {
namespace {

Options with_folder(Options options) {
  std::filesystem::create_directories(options.dir);
  return options;
}

}  // namespace

Instance::Instance(asio::io_context& io, Options options)
    : hub_(io),
      listener_(io, asio::ip::tcp::endpoint(asio::ip::make_address(options.host), options.port)),
      machine_(with_folder(std::move(options)), hub_,
               {.wake_worker = [this] { worker_.wake(); },
                .close_door = [this](std::chrono::milliseconds time) { listener_.close_for(time); }}),
      routes_(machine_),
      worker_(machine_) {
  asio::co_spawn(io, listener_.accept_loop([this, &io](asio::ip::tcp::socket socket) {
    asio::co_spawn(io, serve_http(std::move(socket), hub_, machine_, routes_), asio::detached);
  }),
                 asio::detached);
  asio::co_spawn(io, hub_.publish_loop(), asio::detached);
}

}  // namespace comfysim
