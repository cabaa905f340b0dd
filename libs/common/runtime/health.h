// What a service says about itself: every part reports its condition by name; the service is ready when none is not
// ready. A degraded part (Redis away, polling instead of a socket) is named but does not make the service unready.
// Thread-safety: any thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "libs/common/base/mutex.h"

namespace renderyard::runtime {

enum class Condition { kOk, kDegraded, kNotReady };

class Health {
 public:
  // `reason` is for people; without secrets. kOk needs none.
  void set(std::string_view part, Condition condition, std::string_view reason = {});
  bool ready() const;
  // {"ready":true,"parts":{"database":{"condition":"ok"},…}}
  std::string json() const;
  // Called (outside the lock, on the thread of set()) with the new readiness whenever it changes, and once now. One.
  void on_change(std::function<void(bool ready)> callback);

 private:
  struct Part {
    Condition condition = Condition::kNotReady;
    std::string reason;
  };
  bool ready_locked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable base::Mutex mutex_;
  std::map<std::string, Part, std::less<>> parts_ ABSL_GUARDED_BY(mutex_);
  std::function<void(bool)> callback_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace renderyard::runtime
