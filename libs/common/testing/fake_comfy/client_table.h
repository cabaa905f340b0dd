// ClientTable: who listens at a fake ComfyUI. The server knows its clients by their ids alone: what is sent to an id
// goes to the newest socket that has it, and when any socket of it ends the id is taken out, so that a newer one stays
// open, answers pings and hears nothing.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "libs/common/base/random.h"
#include "libs/common/domain/comfy_message.h"
#include "libs/common/testing/sim/inbox.h"

namespace renderyard::testing {

class ClientTable {
 public:
  using SocketId = std::uint64_t;
  using Messages = sim::Inbox<domain::ComfyMessage>;

  // Asked once for every message that is on its way.
  explicit ClientTable(std::function<absl::Duration()> latency) : latency_(std::move(latency)) {}

  SocketId add(const std::string& client_id, std::shared_ptr<Messages> messages);
  // The server notices the end of this connection.
  void end(SocketId socket);
  bool open(SocketId socket) const { return sockets_.contains(socket); }
  // All connections break.
  void drop_all();
  // Takes one of those who hear out of the table, and tells which; none: nobody hears.
  std::optional<std::string> deafen(base::Random& random);

  // Thrown away when the client is not in the table, never buffered.
  void send(const std::string& client_id, domain::ComfyMessage message);
  void send_to_all(const domain::ComfyMessage& message);

 private:
  struct Socket {
    std::string client_id;
    std::shared_ptr<Messages> messages;
  };

  std::function<absl::Duration()> latency_;
  SocketId next_socket_ = 1;
  std::map<SocketId, Socket> sockets_;
  std::map<std::string, SocketId> clients_;
};

}  // namespace renderyard::testing
