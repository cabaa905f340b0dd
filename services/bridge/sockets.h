// The sockets of one instance, by the client id they speak under: the lease's own, and one for each earlier client id
// that has executions left. Thread-safety: on the strand. Ownership: the connections belong to those who add them.
#pragma once

#include <map>
#include <string>

#include "services/bridge/connection.h"

namespace renderyard::bridge {

class Sockets {
 public:
  // False when the client id has one.
  bool add(Connection& connection) { return by_client_.emplace(connection.client_id(), &connection).second; }
  void remove(const Connection& connection) { by_client_.erase(connection.client_id()); }
  bool has(const std::string& client_id) const { return by_client_.contains(client_id); }
  // The socket of this client id, open or not; null when there is none.
  Connection* find(const std::string& client_id) const {
    const auto it = by_client_.find(client_id);
    return it == by_client_.end() ? nullptr : it->second;
  }
  // The open socket that the server sends this client id's events to; null when there is none.
  const Connection* open(const std::string& client_id) const {
    const auto it = by_client_.find(client_id);
    return it != by_client_.end() && it->second->connected() ? it->second : nullptr;
  }

 private:
  std::map<std::string, Connection*> by_client_;
};

}  // namespace renderyard::bridge
