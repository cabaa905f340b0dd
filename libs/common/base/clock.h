// Clock: the only source of time and of timers.
//
// now() never goes backwards and counts time in which the machine slept (CLOCK_BOOTTIME, anchored to the wall clock
// when the process started), so deadlines and lease trust are computed with it. wall() is for what people read.
// Thread-safety: now() and wall() from any thread, the rest on the strand of the process that owns the clock.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>

#include "libs/common/base/task.h"

namespace renderyard::base {

class Clock {
 public:
  using TimerId = std::uint64_t;

  virtual ~Clock() = default;
  virtual absl::Time now() const = 0;
  virtual absl::Time wall() const = 0;

  // Runs `callback` on the strand at `when` or soon after; equal times run in the order of creation.
  virtual TimerId call_at(absl::Time when, absl::AnyInvocable<void()> callback) = 0;
  // Forgets a timer that has not run; an unknown id is ignored.
  virtual void cancel(TimerId id) = 0;

  // OK when the time has come, CANCELLED when the coroutine was cancelled.
  virtual Task<absl::Status> sleep_until(absl::Time when) = 0;
  Task<absl::Status> sleep_for(absl::Duration d) { return sleep_until(now() + d); }
};

}  // namespace renderyard::base
