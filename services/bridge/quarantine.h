// An instance in quarantine gets no new work until the cause is gone (domain/quarantine.h). The database says so to the
// dispatcher; this looks whether the cause is gone, and lifts the quarantine then. A prompt that would not stop is
// asked to again and again, and what became of it is recorded. An operator may lift it first. Survives its process: the
// instance's row names the execution. Thread-safety: on the strand; everything given outlives it.
#pragma once

#include <absl/status/status.h>

#include <optional>
#include <string>

#include "libs/common/base/event.h"
#include "libs/common/domain/quarantine.h"
#include "services/bridge/connection.h"
#include "services/bridge/deps.h"

namespace renderyard::bridge {

class Quarantine {
 public:
  Quarantine(Deps& deps, const Config& config, const HeldLease& lease)
      : deps_(deps), config_(config), lease_(lease), entered_(deps.strand, deps.clock) {}

  bool active() const { return case_.has_value(); }
  // The row says so by now: this execution was given up while its prompt goes on.
  void enter(base::ExecutionId given_up);
  // This execution kills its adopters: to be written.
  void poison(base::ExecutionId execution);
  // Until cancelled. `row`: as read when the lease was taken.
  base::Task<absl::Status> run(ports::InstanceRow row, ports::ComfyInstance* comfy, Connection* connection);

 private:
  struct Case {
    domain::Quarantine reason;
    base::ExecutionId by;
    bool written = false;
  };

  void begin(Case entered);
  base::Task<absl::Status> look(ports::ComfyInstance& comfy, const Connection& connection);
  base::Task<absl::Status> write();
  base::Task<absl::StatusOr<bool>> stray_is_gone(ports::ComfyInstance& comfy, const Connection& connection,
                                                 const ports::ExecutionRow& stray);
  base::Task<absl::Status> lift();

  Deps& deps_;
  const Config& config_;
  const HeldLease& lease_;
  base::Event entered_;
  std::optional<Case> case_;
  std::string stray_outcome_;
};

}  // namespace renderyard::bridge
