// The way the workload reaches the system: submit jobs, watch them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/stream.h"
#include "libs/common/ports/model.h"

namespace renderyard::simulation {

// What a job is made of, and what must become of it.
struct PlannedJob {
  enum class Kind { kGood, kFailing, kRefused };
  Kind kind = Kind::kGood;
  int n = 0;
  absl::Duration at;                   // after the start of the workload
  std::string workflow;                // API format
  std::string picture;                 // what its output files must show
  std::vector<std::string> out_nodes;  // ids of its output nodes
  std::string bad_node;                // kFailing, kRefused: the node to blame
  int priority = 0;
  std::string idempotency_key;
};

// What a watcher hears.
struct Notice {
  std::optional<ports::JobEvent> event;
  std::optional<ports::Progress> progress;
  std::string position;  // to come back with; empty when this notice moves none
};

class Door {
 public:
  virtual ~Door() = default;
  // UNAVAILABLE, DEADLINE_EXCEEDED: it may have happened.
  virtual base::Task<absl::StatusOr<base::JobId>> submit(const PlannedJob& job) = 0;
  // Everything after the position; "" = from now on.
  virtual base::StreamPtr<Notice> watch(std::string since) = 0;
};

}  // namespace renderyard::simulation
