// One HTTP connection.
#ifndef RENDERYARD_TESTS_COMFYSIM_HTTP_SESSION_H_
#define RENDERYARD_TESTS_COMFYSIM_HTTP_SESSION_H_

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string_view>
#include <utility>

#include "tests/comfysim/hub.h"
#include "tests/comfysim/machine.h"
#include "tests/comfysim/routes.h"

namespace comfysim {

inline constexpr std::string_view kServerName = "Python/3.11 aiohttp/3.8.4";

// Serves requests until the connection ends or becomes a WebSocket.
asio::awaitable<void> serve_http(asio::ip::tcp::socket socket, Hub& hub, Machine& machine, Routes& routes);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_HTTP_SESSION_H_
