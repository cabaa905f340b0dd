#include "services/bridge/quarantine.h"

#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "services/bridge/stray.h"

namespace renderyard::bridge {

void Quarantine::enter(base::ExecutionId given_up) {
  begin({domain::Quarantine::kWorkerDead, given_up, true});
}

void Quarantine::poison(base::ExecutionId execution) {
  begin({domain::Quarantine::kPoisonedAdoption, execution, false});
}

void Quarantine::begin(Case entered) {
  if (case_) return;  // the first cause stays: the others are found when it is gone, by their own executions
  case_ = entered;
  deps_.journal.warning("instance_quarantined", {{base::key::kInstance, lease_.instance_id},
                                                 {base::key::kExecution, entered.by},
                                                 {base::key::kReason, domain::to_string(entered.reason)}});
  entered_.notify();
}

base::Task<absl::Status> Quarantine::run(ports::InstanceRow row, ports::ComfyInstance* comfy, Connection* connection) {
  // Of an earlier process. What was begun here already is known to the row, or goes behind it.
  if (row.quarantined_at && row.quarantine && row.quarantined_by)
    case_ = Case{*row.quarantine, *row.quarantined_by, true};
  for (;;) {
    if (!case_) {
      const absl::Time never = absl::InfiniteFuture();
      CO_RETURN_IF_ERROR(co_await entered_.wait_until(never));
      continue;
    }
    // A look that fails says nothing: the next one tries again.
    const absl::Status looked = co_await look(*comfy, *connection);
    if (absl::IsCancelled(looked)) co_return looked;
    if (case_) CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(config_.quarantine_look_every));
  }
}

base::Task<absl::Status> Quarantine::look(ports::ComfyInstance& comfy, const Connection& connection) {
  if (!case_->written) CO_RETURN_IF_ERROR(co_await write());
  std::vector<base::InstanceId> ids{lease_.instance_id};
  ASSIGN_OR_CO_RETURN(const std::vector<ports::InstanceRow> now, co_await deps_.executions.instances(std::move(ids)));
  if (!now.empty() && !now[0].quarantined_at) {
    case_.reset();  // an operator released it
    deps_.journal.info("instance_quarantine_released", {{base::key::kInstance, lease_.instance_id}});
    co_return absl::OkStatus();
  }
  ASSIGN_OR_CO_RETURN(const ports::ExecutionRow cause, co_await deps_.executions.read(case_->by));
  bool gone = domain::is_final(cause.state) || cause.state == domain::ExecutionState::kCollecting;
  if (case_->reason == domain::Quarantine::kWorkerDead) {
    ASSIGN_OR_CO_RETURN(gone, co_await stray_is_gone(comfy, connection, cause));
  }
  if (gone) CO_RETURN_IF_ERROR(co_await lift());
  co_return absl::OkStatus();
}

base::Task<absl::Status> Quarantine::write() {
  ASSIGN_OR_CO_RETURN(const bool ours,
                      co_await deps_.executions.quarantine(lease_.instance_id, lease_.epoch, case_->by, case_->reason));
  if (!ours) co_return absl::FailedPreconditionError("the lease is not ours");
  case_->written = true;
  deps_.hints.send(ports::Topic::kInstances);
  co_return absl::OkStatus();
}

base::Task<absl::StatusOr<bool>> Quarantine::stray_is_gone(ports::ComfyInstance& comfy, const Connection& connection,
                                                           const ports::ExecutionRow& stray) {
  const std::string prompt_id = stray.comfyui_prompt_id.value_or(stray.client_prompt_id);
  const absl::Time look_by = deps_.clock.now() + config_.request_deadline;
  ASSIGN_OR_CO_RETURN(const domain::QueueListing queue, co_await comfy.queue(look_by));
  if (!queue.is_running(prompt_id) && queue.find(prompt_id) == nullptr) {
    ASSIGN_OR_CO_RETURN(const std::optional<domain::HistoryEntry> entry, co_await comfy.history(prompt_id, look_by));
    stray_outcome_ = stray_outcome(entry);
    co_return true;
  }
  if (const auto& abilities = connection.abilities()) {
    const absl::Time ask_by = deps_.clock.now() + config_.request_deadline;
    const absl::Status asked = co_await comfy.cancel(prompt_id, *abilities, ask_by);
    if (absl::IsCancelled(asked)) co_return asked;
  }
  co_return false;
}

base::Task<absl::Status> Quarantine::lift() {
  std::string outcome = stray_outcome_;
  ASSIGN_OR_CO_RETURN(const bool ours, co_await deps_.executions.lift_quarantine(lease_.instance_id, lease_.epoch,
                                                                                 case_->by, std::move(outcome)));
  if (!ours) co_return absl::FailedPreconditionError("the lease is not ours");
  deps_.journal.info("instance_quarantine_lifted", {{base::key::kInstance, lease_.instance_id},
                                                    {base::key::kExecution, case_->by},
                                                    {base::key::kReason, stray_outcome_}});
  stray_outcome_.clear();
  case_.reset();
  deps_.hints.send(ports::Topic::kInstances);
  co_return absl::OkStatus();
}

}  // namespace renderyard::bridge
