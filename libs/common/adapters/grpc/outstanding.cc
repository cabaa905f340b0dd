#include "libs/common/adapters/grpc/outstanding.h"

#include <utility>
#include <vector>

namespace renderyard::grpc_clients {

Outstanding::~Outstanding() {
  abandon_all();
}

std::uint64_t Outstanding::begin(std::function<void()> abandon) {
  base::MutexLock lock(mutex_);
  calls_.emplace(next_id_, std::move(abandon));
  return next_id_++;
}

void Outstanding::end(std::uint64_t id) {
  base::MutexLock lock(mutex_);
  calls_.erase(id);
  ended_.notify_all();
}

void Outstanding::abandon_all() {
  std::vector<std::function<void()>> abandons;
  {
    base::MutexLock lock(mutex_);
    for (const auto& [id, abandon] : calls_) abandons.push_back(abandon);
  }
  // Outside the lock: gRPC may run callbacks, and with them end(), within.
  for (const auto& abandon : abandons) abandon();
  abandons.clear();
  base::MutexLock lock(mutex_);
  while (!calls_.empty()) ended_.wait(mutex_);
}

}  // namespace renderyard::grpc_clients
