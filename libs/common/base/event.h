// Event: a wake-up. notify() wakes everybody who waits now and is remembered once when nobody does, so that a wake-up
// between "looked, nothing to do" and "wait" is not lost. It carries no data: who wakes looks at the state again.
// Thread-safety: on the strand only.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <vector>

#include "libs/common/base/clock.h"
#include "libs/common/base/strand.h"

namespace renderyard::base {

class Event {
 public:
  Event(Strand& strand, Clock& clock) : strand_(strand), clock_(clock) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void notify();
  // OK when notified, DEADLINE_EXCEEDED at `deadline` (absl::InfiniteFuture() = none). CANCELLED in a cancelled
  // coroutine, whatever else is true; a wake-up stays for the next who waits.
  Task<absl::Status> wait_until(absl::Time deadline);

 private:
  Strand& strand_;
  Clock& clock_;
  bool remembered_ = false;
  std::vector<Completer<absl::Status>> waiters_;
};

}  // namespace renderyard::base
