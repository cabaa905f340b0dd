// Turns: at most so many at once, the others wait. For work that is cheap alone and dear when a thousand do it
// together. Thread-safety: on the strand only. No order among those who wait.
#pragma once

#include <absl/status/status.h>

#include "libs/common/base/clock.h"
#include "libs/common/base/event.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"

namespace renderyard::base {

class Turns {
 public:
  Turns(Strand& strand, Clock& clock, int places) : free_(places), freed_(strand, clock) {}

  // Held until it is destroyed.
  class Turn {
   public:
    explicit Turn(Turns& turns) : turns_(turns) {}
    ~Turn() {
      ++turns_.free_;
      turns_.freed_.notify();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Turns& turns_;
  };

  // OK: a place is taken, and belongs to the Turn that must be made at once. DEADLINE_EXCEEDED at `deadline`,
  // CANCELLED: none is.
  Task<absl::Status> wait(absl::Time deadline);
  int free() const { return free_; }

 private:
  int free_;
  Event freed_;
};

}  // namespace renderyard::base
