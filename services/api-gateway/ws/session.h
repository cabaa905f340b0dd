// One WebSocket connection: hello, subscribe, then the feed until either side ends it. docs/websocket.md.
// Thread-safety: on the strand of the gateway.
#pragma once

#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <functional>
#include <string>

#include "libs/common/base/clock.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "services/api-gateway/gateway.h"
#include "services/api-gateway/ws/config.h"

namespace renderyard::gateway::ws {

struct Deps {
  base::Strand& strand;
  base::Clock& clock;
  base::Journal& journal;
  Gateway& gateway;
};

struct Opening {
  boost::beast::tcp_stream stream;
  boost::beast::http::request<boost::beast::http::empty_body> request;
  ports::User user;
  std::string token;            // to ask again while the feed lives; never logged
  bool names_protocol = false;  // the client offered the protocol "renderyard", so it must be accepted by name
  // Told how to close the connection at once; an empty function when it has ended.
  std::function<void(std::function<void()>)> on_closer;
};

// Until the connection has ended; always OK.
base::Task<absl::Status> serve(Deps deps, Config config, Opening opening);

}  // namespace renderyard::gateway::ws
