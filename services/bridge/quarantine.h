// An instance in quarantine gets no new work until the cause is gone (domain/quarantine.h). The database says so to the
// dispatcher; this looks whether the cause is gone, and lifts the quarantine then. A prompt that would not stop is
// asked to again and again, and what became of it is recorded. An operator may lift it first. Survives its process: the
// instance's row names the execution. Thread-safety: on the strand; everything given outlives it.
#pragma once

#include <absl/status/status.h>

#include <list>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libs/common/base/event.h"
#include "libs/common/domain/quarantine.h"
#include "services/bridge/connection.h"
#include "services/bridge/deps.h"

namespace renderyard::bridge {

class Quarantine {
 public:
  Quarantine(Deps& deps, const Config& config, const HeldLease& lease)
      : deps_(deps), config_(config), lease_(lease), entered_(deps.strand, deps.clock) {}

  bool active() const { return in_force_ || !causes_.empty() || !given_up_.empty(); }
  // An operator released the instance although this one was a cause: it is none any more, and its prompt is not asked
  // to stop again once its job is over.
  bool is_released(base::ExecutionId execution) const { return released_.contains(execution); }
  // Causes, each known by its execution. The first one stands in the row; the others follow when it is gone.
  // Its prompt goes on though its job was given up: the row says so, unless it names another, or was released
  // meanwhile.
  void gave_up(base::ExecutionId execution);
  // Its prompt goes on though a person wants it to stop; it kills those who adopt it. To be written.
  void does_not_stop(base::ExecutionId execution);
  void poison(base::ExecutionId execution);
  // Until cancelled. `row`: the instance's, as it was when the lease was taken and as it is whenever it is looked at.
  base::Task<absl::Status> run(const std::optional<ports::InstanceRow>& row, ports::ComfyInstance* comfy,
                               Connection* connection);

 private:
  struct Case {
    domain::Quarantine reason;
    base::ExecutionId by;

    bool operator==(const Case& other) const { return reason == other.reason && by == other.by; }
  };

  void begin(Case entered);
  void tell(base::ExecutionId by, domain::Quarantine reason);
  base::Task<absl::Status> look(ports::ComfyInstance& comfy, const Connection& connection, bool shared);
  base::Task<absl::Status> write(Case entered);
  base::Task<absl::StatusOr<bool>> stray_is_gone(ports::ComfyInstance& comfy, const Connection& connection, bool shared,
                                                 const ports::ExecutionRow& stray);
  base::Task<absl::Status> lift(base::ExecutionId by);

  Deps& deps_;
  const Config& config_;
  const HeldLease& lease_;
  base::Event entered_;
  bool in_force_ = false;                    // by the row, as last read
  std::optional<Case> current_;              // that the row named last
  std::list<Case> causes_;                   // that the row does not name (yet)
  std::vector<base::ExecutionId> given_up_;  // since the last look
  std::set<base::ExecutionId> released_;
  std::string stray_outcome_;
};

}  // namespace renderyard::bridge
