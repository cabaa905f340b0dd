// One WebSocket connection, from the upgrade request to its end.
#ifndef RENDERYARD_TESTS_COMFYSIM_WS_SESSION_H_
#define RENDERYARD_TESTS_COMFYSIM_WS_SESSION_H_

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <string>
#include <utility>

#include "tests/comfysim/hub.h"
#include "tests/comfysim/machine.h"

namespace comfysim {

using UpgradeRequest = boost::beast::http::request<boost::beast::http::empty_body>;

// Accepts the upgrade on `stream`, sends what a new client gets first (protocol section 4.1), then serves it until it
// ends. `sid` is the wanted client id, empty for one that the server makes.
asio::awaitable<void> serve_websocket(boost::beast::tcp_stream stream, UpgradeRequest request, std::string sid,
                                      Hub& hub, Machine& machine);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_WS_SESSION_H_
