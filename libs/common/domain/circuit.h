// The circuit breaker of an instance: tells the instance's own faults (its GPU, its memory, its disk) from those of a
// workflow, and says when the instance gets no new work for a while because of them. Pure: the bridge that has the
// instance's lease applies the events, placement reads the state.
#pragma once

#include <absl/time/time.h>

#include <optional>
#include <string>
#include <string_view>

#include "libs/common/base/ids.h"
#include "libs/common/base/random.h"

namespace renderyard::domain {

// Whose fault a prompt's failure is.
enum class Blame {
  kWorkflow,  // a node refused its inputs or has a defect: elsewhere it would fail as well
  kMemory,    // out of memory: the instance's when other jobs see it too, else the workflow is too large for it
  kDevice,    // the GPU or its driver
  kDisk,      // the server's disk is full, read-only or broken
  kServer,    // the process is out of files or threads
};

// By ComfyUI's exception_type and exception_message.
Blame blame_of(std::string_view exception_type, std::string_view message);
// The job's error: domain::code::kNodeError, kOutOfMemory, kInstanceFault.
std::string_view code_of(Blame blame);
std::string_view to_string(Blame blame);

inline constexpr int kFaultsToOpen = 3;  // of the instance in a row, without a success between

// Closed while open_until is absent; open before that time, half-open from then on: one execution is let through.
struct Circuit {
  int faults = 0;                        // in a row
  int openings = 0;                      // in a row, without a success between
  std::optional<absl::Time> open_until;  // by the database's clock
  base::JobId last_job;                  // whose fault was counted last; 0 = none
  std::string reason;                    // the last fault, for people; empty when there was none

  friend bool operator==(const Circuit&, const Circuit&) = default;
};

enum class CircuitState { kClosed, kOpen, kHalfOpen };
CircuitState state_of(const Circuit& circuit, absl::Time now);
std::string_view to_string(CircuitState state);

// A prompt succeeded at the instance: everything is forgotten.
Circuit after_success();
// A prompt of `job` failed there. A workflow's fault changes nothing. Out of memory counts once per job. Opens when
// kFaultsToOpen is reached, and at once when it was half-open; each opening in a row is twice as long (see
// open_for()), half of it random, so that a fleet with one defect does not come back at one moment.
Circuit after_fault(Circuit before, Blame blame, std::string_view message, base::JobId job, absl::Time now,
                    base::Random& random);

// The longest n-th opening in a row (n from 1): 30 60 120 240 480 600 600 … seconds.
absl::Duration open_for(int opening);

}  // namespace renderyard::domain
