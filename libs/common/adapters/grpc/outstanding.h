// The calls of a client that gRPC's threads may still report on. A client's destructor waits for them, so that no
// callback finds the strand's executor gone. Thread-safety: any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "libs/common/base/mutex.h"

namespace renderyard::grpc_clients {

class Outstanding {
 public:
  Outstanding() = default;
  Outstanding(const Outstanding&) = delete;
  Outstanding& operator=(const Outstanding&) = delete;
  // abandon_all().
  ~Outstanding();

  // `abandon` makes the call end soon; it may be called while the call ends by itself.
  std::uint64_t begin(std::function<void()> abandon);
  void end(std::uint64_t id);
  // Abandons what is outstanding and waits for its end.
  void abandon_all();

 private:
  base::Mutex mutex_;
  base::CondVar ended_;
  std::uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::uint64_t, std::function<void()>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace renderyard::grpc_clients
