// The gateway's one port: HTTP/1.1 with keep-alive, and WebSocket by upgrade at /api/v1/ws (Boost.Beast).
//
// Bounds (promise G8): connections (more are answered 503 and closed), header bytes, bytes of one body (413), bytes of
// all bodies together (503), and a time limit on every read and write. A request without a valid token is answered
// before its body is read. Everything runs on the strand of the gateway.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "libs/common/base/clock.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "services/api-gateway/gateway.h"
#include "services/api-gateway/ws/config.h"

namespace renderyard::gateway::http {

struct ServerConfig {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;  // 0 = any free one
  std::size_t max_connections = 1024;
  std::size_t max_header_bytes = 16 * 1024;
  std::size_t max_bodies_bytes = 512 * 1024 * 1024;  // of all requests being read, together
  std::size_t max_small_body_bytes = 64 * 1024;      // where a body is only read to be thrown away
  absl::Duration idle_timeout = absl::Seconds(60);   // between requests, and for a header to arrive
  absl::Duration io_timeout = absl::Seconds(30);     // for each piece of a body, and each piece of an answer
  absl::Duration drain_timeout = absl::Seconds(5);   // for requests in flight at stop()
  ws::Config ws;
};

class Server {
 public:
  struct Deps {
    boost::asio::io_context& io;
    base::Strand& strand;
    base::Clock& clock;
    base::Journal& journal;
    Gateway& gateway;
  };

  Server(Deps deps, ServerConfig config);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // UNAVAILABLE: the address cannot be listened on.
  absl::Status listen();
  // host:port, the actual one, after listen().
  std::string address() const;
  // Serves until stop(), then lets requests in flight end; OK then.
  base::Task<absl::Status> run();
  // No new connections or requests from now on. Stop the gateway too: that ends the feeds.
  void stop();

  std::size_t connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace renderyard::gateway::http
