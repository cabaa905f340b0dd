#include "libs/common/testing/fake_comfy/client_table.h"

#include <absl/status/status.h>

#include <iterator>
#include <utility>

namespace renderyard::testing {

ClientTable::SocketId ClientTable::add(const std::string& client_id, std::shared_ptr<Messages> messages) {
  const SocketId id = next_socket_++;
  sockets_.emplace(id, Socket{client_id, std::move(messages)});
  clients_.insert_or_assign(client_id, id);
  return id;
}

void ClientTable::end(SocketId socket) {
  auto it = sockets_.find(socket);
  if (it == sockets_.end()) return;
  it->second.messages->send_end(latency_(), absl::UnavailableError("socket closed"));
  clients_.erase(it->second.client_id);  // by id, even when a newer socket holds it now
  sockets_.erase(it);
}

void ClientTable::drop_all() {
  clients_.clear();
  for (auto& [id, socket] : std::exchange(sockets_, {})) {
    socket.messages->send_end(latency_(), absl::UnavailableError("connection reset"));
  }
}

std::optional<std::string> ClientTable::deafen(base::Random& random) {
  if (clients_.empty()) return std::nullopt;
  auto it = clients_.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(random.below(clients_.size())));
  std::string client_id = it->first;
  clients_.erase(it);
  return client_id;
}

void ClientTable::send(const std::string& client_id, domain::ComfyMessage message) {
  auto client = clients_.find(client_id);
  if (client == clients_.end()) return;
  auto socket = sockets_.find(client->second);
  if (socket == sockets_.end()) return;
  socket->second.messages->send(latency_(), std::move(message));
}

void ClientTable::send_to_all(const domain::ComfyMessage& message) {
  for (const auto& [client_id, id] : clients_) send(client_id, message);
}

}  // namespace renderyard::testing
