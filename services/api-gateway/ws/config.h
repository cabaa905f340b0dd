// Bounds of one WebSocket connection.
#pragma once

#include <absl/time/time.h>

#include <cstddef>

namespace renderyard::gateway::ws {

struct Config {
  std::size_t max_message_bytes = 64 * 1024;             // from the client
  absl::Duration handshake_timeout = absl::Seconds(10);  // for opening and closing
  absl::Duration subscribe_timeout = absl::Seconds(10);  // for the first message of the client
  absl::Duration idle_timeout = absl::Seconds(30);       // a peer that answers no ping for so long is gone
  absl::Duration write_timeout = absl::Seconds(20);      // for one message to be taken by the peer
  absl::Duration reauthenticate = absl::Seconds(30);     // how long a feed may outlive its token
};

}  // namespace renderyard::gateway::ws
