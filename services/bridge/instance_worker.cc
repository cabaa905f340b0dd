#include "services/bridge/instance_worker.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/workflow.h"
#include "services/bridge/collecting.h"
#include "services/bridge/following.h"
#include "services/bridge/submission.h"

namespace renderyard::bridge {

using domain::ExecutionState;

InstanceWorker::InstanceWorker(Deps& deps, const Config& config, const HeldLease& lease, ProgressFeed& feed)
    : deps_(deps),
      config_(config),
      lease_(lease),
      feed_(feed),
      look_(deps.strand, deps.clock),
      publish_(deps.strand, deps.clock),
      group_(deps.strand) {}

base::Task<absl::Status> InstanceWorker::run() {
  ASSIGN_OR_CO_RETURN(row_, co_await read_row());
  comfy_ = deps_.comfy.instance(*row_);
  std::string client_id = "ry-" + to_string(lease_.instance_id) + "-" + to_string(lease_.epoch);
  connection_ = std::make_unique<Connection>(deps_, config_, *comfy_, router_, lease_.instance_id, std::move(client_id),
                                             [this](const Connection::State& state) {
                                               wanted_ = state;
                                               published_ = false;
                                               publish_.notify();
                                             });
  group_.spawn(connection_->run());
  group_.spawn(publish_loop());
  group_.spawn(look_loop());
  const absl::Status status = co_await group_.join();
  for (const auto& [id, execution] : executions_) feed_.forget(id);
  // The look loop ends the group with this when the instance is disabled and empty.
  if (absl::IsFailedPrecondition(status)) co_return absl::OkStatus();
  co_return status;
}

void InstanceWorker::look() {
  look_.notify();
}

void InstanceWorker::read_again() {
  read_again_ = true;
  look_.notify();
}

void InstanceWorker::take(ports::ExecutionRow row) {
  if (!connection_ || draining_) return;
  adopt(std::move(row));
}

int InstanceWorker::posts_in_flight() const {
  return static_cast<int>(
      std::count_if(executions_.begin(), executions_.end(), [](const auto& entry) { return entry.second->posting; }));
}

base::Task<absl::StatusOr<ports::InstanceRow>> InstanceWorker::read_row() {
  for (int attempt = 1;; ++attempt) {
    auto row = co_await deps_.executions.instance(lease_.instance_id);
    if (row.ok() || absl::IsCancelled(row.status()) || absl::IsNotFound(row.status())) co_return row;
    const absl::Duration pause = retry_pause(deps_.random, attempt);
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
  }
}

base::Task<absl::Status> InstanceWorker::look_loop() {
  // What is known to be in the server's history before anything of ours is sent: proof of the server's life later.
  auto witness = co_await deps_.executions.witness(lease_.instance_id);
  if (absl::IsCancelled(witness.status())) co_return witness.status();
  if (witness.ok() && witness->has_value() && witness_.empty()) witness_ = **witness;
  for (;;) {
    const absl::Status status = co_await look_once();
    if (absl::IsCancelled(status) || absl::IsFailedPrecondition(status)) co_return status;
    // Half of the pause is random, so that a thousand instances do not ask at the same moment.
    const absl::Duration pause = config_.look_every / 2 + deps_.random.jitter(config_.look_every / 2);
    const absl::Time deadline = deps_.clock.now() + pause;
    const absl::Status rested = co_await look_.wait_until(deadline);
    if (absl::IsCancelled(rested)) co_return rested;
  }
}

base::Task<absl::Status> InstanceWorker::look_once() {
  if (read_again_) {
    ASSIGN_OR_CO_RETURN(row_, co_await deps_.executions.instance(lease_.instance_id));
    read_again_ = false;
  }
  ended_meanwhile_.clear();
  ASSIGN_OR_CO_RETURN(std::vector<ports::ExecutionRow> rows, co_await deps_.executions.live(lease_.instance_id));
  const bool unwanted = !row_->is_enabled || row_->removed_at.has_value();
  if (unwanted && rows.empty() && executions_.empty()) {
    ports::InstanceState state;
    state.id = lease_.instance_id;
    state.epoch = lease_.epoch;
    state.status = ports::InstanceStatus::kDisabled;
    ASSIGN_OR_CO_RETURN([[maybe_unused]] const bool ours, co_await deps_.executions.set_instance_state(state));
    deps_.hints.send(ports::Topic::kInstances);
    co_return absl::FailedPreconditionError("disabled and empty");
  }
  for (ports::ExecutionRow& row : rows) {
    if (ended_meanwhile_.contains(row.id)) continue;
    auto known = executions_.find(row.id);
    if (known == executions_.end()) {
      if (!draining_) adopt(std::move(row));
    } else if (row.cancel_requested_at) {
      known->second->wish_cancel();
    }
  }
  co_return absl::OkStatus();
}

void InstanceWorker::adopt(ports::ExecutionRow row) {
  if (row.state == ExecutionState::kAssigned && row.cancel_requested_at) return;  // the dispatcher takes it back
  if (executions_.contains(row.id) || domain::is_final(row.state)) return;
  auto execution = std::make_shared<Execution>(std::move(row), deps_.strand, deps_.clock);
  executions_.emplace(execution->row.id, execution);
  group_.spawn_isolated(drive(std::move(execution)));
}

base::Task<absl::Status> InstanceWorker::drive(std::shared_ptr<Execution> execution) {
  ExecutionContext context{deps_, config_, lease_, *comfy_, *connection_, router_, feed_, execution, witness_};
  const absl::Status status = co_await steps(std::move(context));
  if (!status.ok() && !absl::IsCancelled(status)) {
    deps_.journal.error("execution_stopped",
                        {{base::key::kExecution, execution->row.id}, {base::key::kReason, status.ToString()}});
  }
  router_.remove(*execution);
  feed_.forget(execution->row.id);
  executions_.erase(execution->row.id);
  ended_meanwhile_.insert(execution->row.id);
  if (domain::is_final(execution->row.state)) deps_.cache.erase(execution->prompt_id());
  if (execution->row.state == ExecutionState::kCompleted) co_return co_await keep_witness(execution->prompt_id());
  co_return status;
}

base::Task<absl::Status> InstanceWorker::steps(ExecutionContext context) {
  Execution& execution = *context.execution;
  auto next = Next::kFollow;
  if (execution.row.state == ExecutionState::kAssigned) {
    ASSIGN_OR_CO_RETURN(next, co_await submit(context));
  } else {
    deps_.journal.info("execution_adopted", {{base::key::kExecution, execution.row.id},
                                             {base::key::kState, domain::to_string(execution.row.state)},
                                             {base::key::kPrompt, execution.prompt_id()}});
    CO_RETURN_IF_ERROR(co_await load(context));
    router_.add(execution.prompt_id(), context.execution);
    const std::string client_id = execution.row.client_id.value_or("");
    if (!client_id.empty() && client_id != connection_->client_id() && !adoption_sockets_[client_id]) {
      adoption_sockets_[client_id] = true;
      group_.spawn_isolated(adoption_socket(client_id));
    }
    if (execution.row.state == ExecutionState::kSubmitting) {
      UnclearPost post;
      post.witness_before = witness_;
      ASSIGN_OR_CO_RETURN(next, co_await resolve(context, std::move(post)));
    }
  }
  if (next == Next::kStop) co_return absl::OkStatus();
  if (execution.row.state != ExecutionState::kCollecting) CO_RETURN_IF_ERROR(co_await follow(context));
  if (execution.row.state != ExecutionState::kCollecting) co_return absl::OkStatus();
  co_return co_await collect(context);
}

// Workflow of an adopted execution, for its progress and node names.
base::Task<absl::Status> InstanceWorker::load(ExecutionContext context) {
  for (int attempt = 1;; ++attempt) {
    auto loaded = co_await deps_.executions.load(context.execution->row.id);
    if (loaded.ok()) {
      auto workflow = domain::inspect_workflow(loaded->workflow);
      if (workflow.ok()) context.execution->load(*std::move(workflow));
      co_return absl::OkStatus();
    }
    if (absl::IsCancelled(loaded.status()) || absl::IsNotFound(loaded.status())) co_return loaded.status();
    const absl::Duration pause = retry_pause(deps_.random, attempt);
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
  }
}

// A prompt's events go only to the client id it was submitted with: prompts of an earlier epoch get a socket with that
// id until they end. It may be deaf (the server may clean up the old one late); REST covers that.
base::Task<absl::Status> InstanceWorker::adoption_socket(std::string client_id) {
  Connection connection(deps_, config_, *comfy_, router_, lease_.instance_id, client_id, nullptr);
  base::Group group(deps_.strand);
  group.spawn_isolated(connection.run());
  absl::Status rested;
  while (rested.ok() && has_executions_of(client_id)) rested = co_await deps_.clock.sleep_for(config_.look_every);
  group.cancel();
  const absl::Status ended = co_await group.join();
  adoption_sockets_.erase(client_id);
  co_return rested.ok() ? ended : rested;
}

bool InstanceWorker::has_executions_of(const std::string& client_id) const {
  return std::any_of(executions_.begin(), executions_.end(),
                     [&](const auto& entry) { return entry.second->row.client_id == client_id; });
}

base::Task<absl::Status> InstanceWorker::keep_witness(std::string prompt_id) {
  witness_ = prompt_id;
  if (deps_.clock.now() - witness_stored_at_ < config_.witness_every) co_return absl::OkStatus();
  witness_stored_at_ = deps_.clock.now();
  co_return co_await deps_.executions.set_witness(lease_.instance_id, lease_.epoch, std::move(prompt_id));
}

// The database must come to say what is, however long it is away: work is placed by it.
base::Task<absl::Status> InstanceWorker::publish_loop() {
  for (int attempt = 1;;) {
    if (published_) {
      const absl::Time never = absl::InfiniteFuture();
      CO_RETURN_IF_ERROR(co_await publish_.wait_until(never));
      continue;
    }
    ports::InstanceState state;
    state.id = lease_.instance_id;
    state.epoch = lease_.epoch;
    state.status = wanted_.status;
    state.reconnect_attempts = wanted_.attempts;
    state.reason = wanted_.reason;
    published_ = true;  // changes that come while we write are written again
    auto ours = co_await deps_.executions.set_instance_state(state);
    if (ours.ok()) {
      attempt = 1;
      deps_.hints.send(ports::Topic::kInstances);
      continue;
    }
    if (absl::IsCancelled(ours.status())) co_return ours.status();
    published_ = false;
    const absl::Duration pause = retry_pause(deps_.random, attempt++);
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
  }
}

}  // namespace renderyard::bridge
