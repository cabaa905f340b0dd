#include "services/bridge/quarantine.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "services/bridge/stray.h"

namespace renderyard::bridge {

void Quarantine::gave_up(base::ExecutionId execution) {
  given_up_.push_back(execution);
  tell(execution, domain::Quarantine::kWorkerDead);
  entered_.notify();
}

void Quarantine::does_not_stop(base::ExecutionId execution) {
  begin({domain::Quarantine::kWorkerDead, execution});
}

void Quarantine::poison(base::ExecutionId execution) {
  begin({domain::Quarantine::kPoisonedAdoption, execution});
}

void Quarantine::begin(Case entered) {
  if (released_.contains(entered.by) || current_ == entered) return;
  if (std::find(causes_.begin(), causes_.end(), entered) != causes_.end()) return;
  causes_.push_back(entered);
  tell(entered.by, entered.reason);
  entered_.notify();
}

void Quarantine::tell(base::ExecutionId by, domain::Quarantine reason) {
  deps_.journal.warning("instance_quarantined", {{base::key::kInstance, lease_.instance_id},
                                                 {base::key::kExecution, by},
                                                 {base::key::kReason, domain::to_string(reason)}});
}

base::Task<absl::Status> Quarantine::run(const std::optional<ports::InstanceRow>& row, ports::ComfyInstance* comfy,
                                         Connection* connection) {
  in_force_ = row->quarantined_at.has_value();  // of an earlier process
  for (;;) {
    if (!active()) {
      const absl::Time never = absl::InfiniteFuture();
      CO_RETURN_IF_ERROR(co_await entered_.wait_until(never));
      continue;
    }
    const std::size_t causes = causes_.size();
    const bool was_in_force = in_force_;
    // A look that fails says nothing: the next one tries again.
    const absl::Status looked = co_await look(*comfy, *connection, row->shared_instance);
    if (absl::IsCancelled(looked)) co_return looked;
    const bool next_one = was_in_force && !in_force_ && causes_.size() == causes && looked.ok();
    if (active() && !next_one) CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(config_.quarantine_look_every));
  }
}

base::Task<absl::Status> Quarantine::look(ports::ComfyInstance& comfy, const Connection& connection, bool shared) {
  if (!in_force_ && given_up_.empty() && !causes_.empty()) CO_RETURN_IF_ERROR(co_await write(causes_.front()));
  const std::size_t known = given_up_.size();
  std::vector<base::InstanceId> ids{lease_.instance_id};
  ASSIGN_OR_CO_RETURN(const std::vector<ports::InstanceRow> now, co_await deps_.executions.instances(std::move(ids)));
  if (now.empty()) co_return absl::OkStatus();
  const std::vector<base::ExecutionId> given_up(given_up_.begin(),
                                                given_up_.begin() + static_cast<std::ptrdiff_t>(known));
  given_up_.erase(given_up_.begin(), given_up_.begin() + static_cast<std::ptrdiff_t>(known));
  if (!now[0].quarantined_at || !now[0].quarantined_by || !now[0].quarantine) {
    // An operator released it: what we know of by now is known to that person.
    if (current_) released_.insert(current_->by);
    for (const Case& cause : causes_) released_.insert(cause.by);
    released_.insert(given_up.begin(), given_up.end());
    in_force_ = false;
    current_.reset();
    causes_.clear();
    deps_.journal.info("instance_quarantine_released", {{base::key::kInstance, lease_.instance_id}});
    co_return absl::OkStatus();
  }
  in_force_ = true;
  const Case current{*now[0].quarantine, *now[0].quarantined_by};
  current_ = current;
  for (const base::ExecutionId id : given_up) causes_.push_back({domain::Quarantine::kWorkerDead, id});
  std::erase(causes_, current);
  ASSIGN_OR_CO_RETURN(const ports::ExecutionRow cause, co_await deps_.executions.read(current.by));
  bool gone = domain::is_final(cause.state) || cause.state == domain::ExecutionState::kCollecting;
  if (current.reason == domain::Quarantine::kWorkerDead) {
    ASSIGN_OR_CO_RETURN(gone, co_await stray_is_gone(comfy, connection, shared, cause));
  }
  if (gone) CO_RETURN_IF_ERROR(co_await lift(current.by));
  co_return absl::OkStatus();
}

base::Task<absl::Status> Quarantine::write(Case entered) {
  ASSIGN_OR_CO_RETURN(const bool ours, co_await deps_.executions.quarantine(lease_.instance_id, lease_.epoch,
                                                                            entered.by, entered.reason));
  if (!ours) co_return absl::FailedPreconditionError("the lease is not ours");
  deps_.hints.send(ports::Topic::kInstances);
  co_return absl::OkStatus();
}

base::Task<absl::StatusOr<bool>> Quarantine::stray_is_gone(ports::ComfyInstance& comfy, const Connection& connection,
                                                           bool shared, const ports::ExecutionRow& stray) {
  const std::string prompt_id = stray.comfyui_prompt_id.value_or(stray.client_prompt_id);
  const absl::Time look_by = deps_.clock.now() + config_.request_deadline;
  ASSIGN_OR_CO_RETURN(const domain::QueueListing queue, co_await comfy.queue(look_by));
  if (!queue.is_running(prompt_id) && queue.find(prompt_id) == nullptr) {
    ASSIGN_OR_CO_RETURN(const std::optional<domain::HistoryEntry> entry, co_await comfy.history(prompt_id, look_by));
    stray_outcome_ = stray_outcome(entry);
    co_return true;
  }
  if (auto abilities = connection.abilities()) {
    abilities->shared = shared;
    const absl::Time ask_by = deps_.clock.now() + config_.request_deadline;
    const absl::Status asked = co_await comfy.cancel(prompt_id, *std::move(abilities), ask_by);
    if (absl::IsCancelled(asked)) co_return asked;
  }
  co_return false;
}

base::Task<absl::Status> Quarantine::lift(base::ExecutionId by) {
  std::string outcome = stray_outcome_;
  ASSIGN_OR_CO_RETURN(const bool ours, co_await deps_.executions.lift_quarantine(lease_.instance_id, lease_.epoch, by,
                                                                                 std::move(outcome)));
  if (!ours) co_return absl::FailedPreconditionError("the lease is not ours");
  deps_.journal.info(
      "instance_quarantine_lifted",
      {{base::key::kInstance, lease_.instance_id}, {base::key::kExecution, by}, {base::key::kReason, stray_outcome_}});
  stray_outcome_.clear();
  in_force_ = false;
  current_.reset();
  deps_.hints.send(ports::Topic::kInstances);
  co_return absl::OkStatus();
}

}  // namespace renderyard::bridge
