// Remembers for a moment whose a token was, so that a page that loads twenty pictures asks the database once. Keys are
// hashes, never tokens; unknown tokens are not remembered, so a new token works at once. A revoked token works at most
// `ttl` longer. Bounded: the oldest entry goes. Thread-safety: on the strand.
#pragma once

#include <absl/time/time.h>

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "libs/common/ports/model.h"

namespace renderyard::gateway {

class AuthCache {
 public:
  AuthCache(absl::Duration ttl, std::size_t capacity) : ttl_(ttl), capacity_(capacity) {}

  std::optional<ports::User> find(const std::string& token_sha256, absl::Time now) const {
    const auto it = users_.find(token_sha256);
    if (it == users_.end() || it->second.second <= now) return std::nullopt;
    return it->second.first;
  }

  void put(const std::string& token_sha256, ports::User user, absl::Time now) {
    const auto [it, fresh] = users_.insert_or_assign(token_sha256, std::pair(std::move(user), now + ttl_));
    if (!fresh) return;  // keeps its place: it may go earlier than it must
    order_.push_back(token_sha256);
    if (order_.size() <= capacity_) return;
    users_.erase(order_.front());
    order_.pop_front();
  }

 private:
  absl::Duration ttl_;
  std::size_t capacity_;
  std::map<std::string, std::pair<ports::User, absl::Time>> users_;
  std::deque<std::string> order_;
};

}  // namespace renderyard::gateway
