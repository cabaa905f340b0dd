// One HTTP connection: requests one after the other until either side ends it, or its upgrade to a WebSocket. Private
// to server.cc and connection.cc. Thread-safety: on the strand of the gateway.
#pragma once

#include <boost/beast/core/tcp_stream.hpp>
#include <cstddef>
#include <functional>

#include "libs/common/base/task.h"
#include "services/api-gateway/http/server.h"

namespace renderyard::gateway::http {

// What connections share.
struct Shared {
  Server::Deps deps;
  const ServerConfig& config;
  bool stopping = false;
  std::size_t bodies_bytes = 0;  // held by requests now
};

// How the server reaches a connection.
struct Handle {
  std::function<void()> close;  // at once; empty when there is nothing to close
  bool idle = true;             // waits for a request
};

// Until the connection has ended; always OK. `handle` outlives it.
base::Task<absl::Status> serve_connection(Shared& shared, Handle& handle, boost::beast::tcp_stream stream);

// Says 503 and hangs up.
base::Task<absl::Status> refuse_connection(Shared& shared, boost::beast::tcp_stream stream);

}  // namespace renderyard::gateway::http
