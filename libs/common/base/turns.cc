#include "libs/common/base/turns.h"

namespace renderyard::base {

Task<absl::Status> Turns::wait(absl::Time deadline) {
  while (free_ == 0) {
    const absl::Status woken = co_await freed_.wait_until(deadline);
    if (!woken.ok()) co_return woken;
  }
  --free_;
  co_return absl::OkStatus();
}

}  // namespace renderyard::base
