#include "services/bridge/instance_worker.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/backoff.h"
#include "libs/common/domain/submission.h"
#include "libs/common/domain/workflow.h"
#include "services/bridge/collecting.h"
#include "services/bridge/following.h"
#include "services/bridge/stray.h"
#include "services/bridge/submission.h"
#include "services/bridge/telling.h"

namespace renderyard::bridge {

using domain::ExecutionState;

namespace {

bool may_surface(const ports::ExecutionRow& row) {
  return domain::may_surface(row.state, row.outcome_proof.value_or(""));
}

// Dead, and its prompt may yet run.
bool is_stray(const ports::ExecutionRow& row) {
  return row.given_up_at || may_surface(row);
}

}  // namespace

InstanceWorker::InstanceWorker(Deps& deps, const Config& config, const HeldLease& lease, Outlets& outlets)
    : deps_(deps),
      config_(config),
      lease_(lease),
      outlets_(outlets),
      quarantine_(deps, config, lease),
      circuit_(deps.random),
      name_turns_(deps.strand, deps.clock),
      router_(deps.observer, deps.journal, [this] { wake_strays(); }),
      lone_posts_(deps.strand, deps.clock, 1),
      changed_(deps.strand, deps.clock),
      operator_changed_(deps.strand, deps.clock),
      connected_(deps.strand, deps.clock),
      group_(deps.strand) {}

InstanceWorker::~InstanceWorker() {
  outlets_.events.forget(lease_.instance_id, lease_.epoch);
  if (told_) deps_.observer.instance_state(told_, std::nullopt);
}

base::Task<absl::Status> InstanceWorker::run() {
  while (!row_) {
    const absl::Time never = absl::InfiniteFuture();
    CO_RETURN_IF_ERROR(co_await changed_.wait_until(never));
  }
  // What is known to be in the server's history before anything of ours is sent: proof of the server's life later.
  witness_ = row_->witness_prompt_id.value_or("");
  CO_RETURN_IF_ERROR(co_await read_access());
  comfy_ = deps_.comfy.instance(*row_);
  comfy_->set_access(access_);
  std::string client_id = "ry-" + to_string(lease_.instance_id) + "-" + to_string(lease_.epoch);
  connection_ = std::make_unique<Connection>(deps_, config_, *comfy_, router_, lease_.instance_id, std::move(client_id),
                                             row_->ws_url, [this](const Connection::State& state) { publish(state); });
  sockets_.add(*connection_);
  group_.spawn(connection_->run());
  group_.spawn(leave_when_empty());
  group_.spawn(follow_access());
  group_.spawn(follow_capabilities());
  group_.spawn(quarantine_.run(row_, comfy_.get(), connection_.get()));
  const absl::Status status = co_await group_.join();
  for (const auto& [id, execution] : executions_) outlets_.forget(id);
  // What ends the group when the instance is out of service and empty.
  if (absl::IsFailedPrecondition(status)) co_return absl::OkStatus();
  co_return status;
}

bool InstanceWorker::see_row(ports::InstanceRow row) {
  const bool first = !row_;
  circuit_.read(row);
  if (!first && row_->config_version != row.config_version) {
    deps_.journal.info("instance_changed", {{base::key::kInstance, row.id}});
  }
  row_ = std::move(row);
  changed_.notify();
  if (row_->config_version != access_version_) operator_changed_.notify();
  return first;
}

void InstanceWorker::add_known(std::vector<base::ExecutionId>& ids) const {
  for (const auto& [id, execution] : executions_) ids.push_back(id);
}

void InstanceWorker::see_news(std::vector<ports::ExecutionRow> rows) {
  if (!connection_) return;
  const bool empty = executions_.empty() && std::all_of(rows.begin(), rows.end(), [](const ports::ExecutionRow& row) {
                       return may_surface(row);
                     });
  if ((!row_->is_enabled || row_->removed_at) && empty) {
    unwanted_ = true;
    changed_.notify();
    return;
  }
  std::erase_if(left_unfinished_, [&](base::ExecutionId id) {
    const auto is = [id](const ports::ExecutionRow& row) { return row.id == id; };
    return !ended_meanwhile_.contains(id) && std::none_of(rows.begin(), rows.end(), is);
  });
  for (const ports::ExecutionRow& row : rows) {
    if (is_poisoned(row) && !executions_.contains(row.id)) poisoned_.insert(row.client_id.value_or(""));
  }
  // Read before this lease was taken: the next look has it as it is.
  const auto is_stale = [this](const ports::ExecutionRow& row) {
    const bool ours = row.state == ExecutionState::kAssigned || row.owner_epoch == lease_.epoch;
    return !ours && !is_stray(row);
  };
  knows_all_ = knows_all_ || (looked_at_ && std::none_of(rows.begin(), rows.end(), is_stale));
  // What is at the server already comes before what is to be sent there.
  std::stable_partition(rows.begin(), rows.end(),
                        [](const ports::ExecutionRow& row) { return row.state != ExecutionState::kAssigned; });
  for (ports::ExecutionRow& row : rows) {
    if (ended_meanwhile_.contains(row.id)) continue;
    if (is_stray(row)) {
      see_stray(std::move(row));
      continue;
    }
    if (is_stale(row)) continue;
    auto known = executions_.find(row.id);
    if (known == executions_.end()) {
      if (!draining_) adopt(std::move(row));
    } else if (row.cancel_requested_at) {
      known->second->wish_cancel();
    }
  }
}

base::Task<absl::Status> InstanceWorker::leave_when_empty() {
  while (!unwanted_) {
    const absl::Time never = absl::InfiniteFuture();
    CO_RETURN_IF_ERROR(co_await changed_.wait_until(never));
  }
  Connection::State state;
  state.status = ports::InstanceStatus::kDisabled;
  publish(state);
  CO_RETURN_IF_ERROR(co_await outlets_.states.written(lease_.instance_id));
  co_return absl::FailedPreconditionError("out of service and empty");
}

void InstanceWorker::publish(const Connection::State& state) {
  const bool answers =
      state.status == ports::InstanceStatus::kConnected || state.status == ports::InstanceStatus::kPolling;
  if (answers && !answering_) connected_.notify();
  answering_ = answers;
  if (unwanted_ && state.status != ports::InstanceStatus::kDisabled) return;
  ports::InstanceState written;
  written.id = lease_.instance_id;
  written.epoch = lease_.epoch;
  written.status = state.status;
  written.reconnect_attempts = state.attempts;
  written.reason = state.reason;
  outlets_.states.publish(std::move(written));
  deps_.journal.info("instance_state", {{base::key::kInstance, lease_.instance_id},
                                        {base::key::kState, domain::to_string(state.status)},
                                        {base::key::kAttempt, state.attempts},
                                        {base::key::kReason, state.reason}});
  deps_.observer.instance_state(std::exchange(told_, state.status), state.status);
  ports::InstanceNews news;
  news.id = lease_.instance_id;
  news.owner_epoch = lease_.epoch;
  news.status = state.status;
  news.reconnect_attempts = state.attempts;
  news.reason = state.reason;
  news.at = deps_.clock.wall();
  outlets_.events.publish(std::move(news));
}

// All that starting it takes; the rest of the row comes with the start, if the hint was right.
void InstanceWorker::take(base::ExecutionId assigned) {
  if (!connection_ || !knows_all_ || draining_ || left_unfinished_.contains(assigned)) return;
  ports::ExecutionRow row;
  row.id = assigned;
  row.instance_id = lease_.instance_id;
  adopt(std::move(row));
}

int InstanceWorker::posts_in_flight() const {
  return static_cast<int>(
      std::count_if(executions_.begin(), executions_.end(), [](const auto& entry) { return entry.second->posting; }));
}

// However long the database is away. A change while it reads is read once more: the version is of before.
base::Task<absl::Status> InstanceWorker::read_access() {
  for (int attempt = 1;; ++attempt) {
    const std::int64_t version = row_->config_version;
    absl::StatusOr<std::vector<ports::SecretHeader>> access = std::vector<ports::SecretHeader>();
    if (row_->has_access) access = co_await deps_.executions.access(lease_.instance_id);
    if (access.ok()) {
      access_version_ = version;
      access_ = *std::move(access);
      co_return absl::OkStatus();
    }
    if (absl::IsCancelled(access.status())) co_return access.status();
    const absl::Duration pause = domain::retry_pause(attempt, deps_.random);
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
  }
}

base::Task<absl::Status> InstanceWorker::follow_access() {
  for (;;) {
    while (row_->config_version == access_version_) {
      const absl::Time never = absl::InfiniteFuture();
      CO_RETURN_IF_ERROR(co_await operator_changed_.wait_until(never));
    }
    const std::vector<ports::SecretHeader> before = access_;
    CO_RETURN_IF_ERROR(co_await read_access());
    if (access_ == before) continue;
    comfy_->set_access(access_);
    connection_->access_changed();
  }
}

// What the server has, read beside its work: after each connection and now and then.
base::Task<absl::Status> InstanceWorker::follow_capabilities() {
  absl::Time next = absl::InfiniteFuture();
  for (;;) {
    const absl::Status rested = co_await connected_.wait_until(next);
    if (absl::IsCancelled(rested)) co_return rested;
    // At once where prompts wait for what is read (NameTurns).
    const absl::Duration spread = row_->slots > 1 ? absl::ZeroDuration() : config_.capabilities_spread;
    const absl::Duration pause = deps_.random.jitter(spread);
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
    const absl::Status read = co_await read_capabilities();
    if (absl::IsCancelled(read)) co_return read;
    if (!read.ok()) {
      deps_.journal.warning("capabilities_unread",
                            {{base::key::kInstance, lease_.instance_id}, {base::key::kReason, read.ToString()}});
    }
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(config_.capabilities_gap));
    // What is not known keeps prompts apart that could be there together (NameTurns): soon again where somebody
    // answers.
    const bool again = !read.ok() && connection_->connected();
    next = deps_.clock.now() + (again ? absl::ZeroDuration() : config_.capabilities_every - config_.capabilities_gap);
  }
}

base::Task<absl::Status> InstanceWorker::read_capabilities() {
  const absl::Time patience = deps_.clock.now() + config_.capabilities_every;
  CO_RETURN_IF_ERROR(co_await outlets_.capability_turns.wait(patience));
  const base::Turns::Turn turn(outlets_.capability_turns);
  const absl::Time deadline = deps_.clock.now() + config_.capabilities_deadline;
  ASSIGN_OR_CO_RETURN(domain::ServerDescription description, co_await comfy_->describe(deadline));
  name_turns_.know(std::move(description.non_output));
  for (const auto& [id, execution] : executions_) keep_turn_by_classes(name_turns_, *execution);
  domain::Capabilities& capabilities = description.capabilities;
  const auto classes = static_cast<std::int64_t>(capabilities.node_classes.size());
  const bool complete = capabilities.complete;
  ASSIGN_OR_CO_RETURN([[maybe_unused]] const bool ours, co_await deps_.executions.set_capabilities(
                                                            lease_.instance_id, lease_.epoch, std::move(capabilities)));
  deps_.journal.info("capabilities_read",
                     {{base::key::kInstance, lease_.instance_id}, {"node_classes", classes}, {"complete", complete}});
  co_return absl::OkStatus();
}

void InstanceWorker::adopt(ports::ExecutionRow row) {
  if (row.state == ExecutionState::kAssigned && row.cancel_requested_at) return;  // the dispatcher takes it back
  if (row.state == ExecutionState::kAssigned && quarantine_.active()) return;     // so does it here
  if (row.state == ExecutionState::kAssigned && !knows_all_) return;
  if (executions_.contains(row.id) || domain::is_final(row.state)) return;
  auto execution = std::make_shared<Execution>(std::move(row), deps_.strand, deps_.clock);
  if (execution->row.state != ExecutionState::kAssigned) execution->name_turn.emplace(name_turns_);
  execution->on_heard = [this, heard = execution.get()](const domain::ComfyMessage& message) {
    tell_heard(deps_, lease_, outlets_, *heard, message);
  };
  executions_.emplace(execution->row.id, execution);
  if (is_poisoned(execution->row)) {
    execution->rest_only = true;
    quarantine_.poison(execution->row.id);
  }
  group_.spawn_isolated(drive(std::move(execution)));
}

// Bridge after bridge died soon after it had adopted this execution, so something it says may be the reason.
bool InstanceWorker::is_poisoned(const ports::ExecutionRow& row) const {
  const bool spoken_of = row.state == ExecutionState::kSubmitting || row.state == ExecutionState::kQueued ||
                         row.state == ExecutionState::kRunning;
  return spoken_of && row.adoption_run >= domain::kPoisonedRun && row.owner_epoch == lease_.epoch &&
         row.client_id != connection_->client_id();
}

ExecutionContext InstanceWorker::context_of(std::shared_ptr<Execution> execution) {
  return {deps_,    config_,     lease_,   *row_,       *comfy_,     *connection_,         router_, sockets_,
          outlets_, quarantine_, circuit_, lone_posts_, name_turns_, std::move(execution), witness_};
}

// Whoever drives it stops first: a POST that is under way is over then.
void InstanceWorker::see_stray(ports::ExecutionRow row) {
  if (const auto driven = executions_.find(row.id); driven != executions_.end()) {
    if (row.given_up_at) driven->second->give_up();
    return;
  }
  if (draining_ || strays_.contains(row.id)) return;
  auto stray = std::make_shared<Execution>(std::move(row), deps_.strand, deps_.clock);
  strays_.emplace(stray->row.id, stray);
  group_.spawn_isolated(end_stray(std::move(stray)));
}

// Which prompt it is that runs, a server that chooses the ids itself tells only in its queue.
void InstanceWorker::wake_strays() {
  for (const auto& [id, stray] : strays_) stray->changed().notify();
}

base::Task<absl::Status> InstanceWorker::end_stray(std::shared_ptr<Execution> execution) {
  ExecutionContext context = context_of(execution);
  router_.add(execution->prompt_id(), execution);
  const absl::Status status = co_await stop_stray(std::move(context));
  router_.remove(*execution);
  strays_.erase(execution->row.id);
  ended_meanwhile_.insert(execution->row.id);
  co_return status;
}

base::Task<absl::Status> InstanceWorker::drive(std::shared_ptr<Execution> execution) {
  ExecutionContext context = context_of(execution);
  const absl::Status status = co_await steps(std::move(context));
  if (!status.ok() && !absl::IsCancelled(status)) {
    deps_.journal.error("execution_stopped",
                        {{base::key::kExecution, execution->row.id}, {base::key::kReason, status.ToString()}});
  }
  execution->name_turn.reset();
  router_.remove(*execution);
  if (execution->row.state != ExecutionState::kAssigned) outlets_.forget(execution->row.id);  // else: perhaps another's
  tell_end(deps_, lease_, outlets_, *execution);
  executions_.erase(execution->row.id);
  ended_meanwhile_.insert(execution->row.id);
  const bool over = domain::is_final(execution->row.state) || execution->given_up();
  if (over) {
    deps_.cache.erase(execution->prompt_id());
    left_unfinished_.erase(execution->row.id);
  } else {
    left_unfinished_.insert(execution->row.id);
  }
  if (execution->row.state == ExecutionState::kCompleted) co_return co_await keep_witness(execution->prompt_id());
  co_return status;
}

base::Task<absl::Status> InstanceWorker::steps(ExecutionContext context) {
  Execution& execution = *context.execution;
  auto next = Next::kFollow;
  if (execution.row.state == ExecutionState::kAssigned) {
    ASSIGN_OR_CO_RETURN(next, co_await submit(context));
  } else {
    execution.adopted = true;
    deps_.observer.adopted();
    deps_.journal.info("execution_adopted", {{base::key::kExecution, execution.row.id},
                                             {base::key::kState, domain::to_string(execution.row.state)},
                                             {base::key::kPrompt, execution.prompt_id()}});
    CO_RETURN_IF_ERROR(co_await load(context));
    if (!execution.rest_only) router_.add(execution.prompt_id(), context.execution);
    const std::string client_id = execution.row.client_id.value_or("");
    if (!client_id.empty() && !poisoned_.contains(client_id) && !sockets_.has(client_id)) {
      group_.spawn_isolated(adoption_socket(client_id));
    }
    if (execution.row.state == ExecutionState::kSubmitting) {
      UnclearPost post;
      post.witness_before = execution.row.witness_prompt_id.value_or("");
      ASSIGN_OR_CO_RETURN(next, co_await resolve(context, std::move(post)));
    }
  }
  if (next == Next::kStop) co_return absl::OkStatus();
  std::optional<ports::Advance> succeeded;
  if (execution.row.state != ExecutionState::kCollecting) {
    ASSIGN_OR_CO_RETURN(succeeded, co_await follow(context));
    if (!succeeded) co_return absl::OkStatus();
  }
  co_return co_await collect(std::move(context), std::move(succeeded));
}

// Workflow of an adopted execution, for its progress and node names.
base::Task<absl::Status> InstanceWorker::load(ExecutionContext context) {
  for (int attempt = 1;; ++attempt) {
    auto loaded = co_await deps_.executions.load(context.execution->row.id);
    if (loaded.ok()) {
      auto workflow = domain::inspect_workflow(loaded->workflow);
      if (workflow.ok()) context.execution->load(*std::move(workflow));
      context.execution->know_job(*loaded);
      keep_turn_by_workflow(context, loaded->workflow);
      group_.spawn_isolated(read_fresher_progress(context.execution));
      co_return absl::OkStatus();
    }
    if (absl::IsCancelled(loaded.status()) || absl::IsNotFound(loaded.status())) co_return loaded.status();
    const absl::Duration pause = domain::retry_pause(attempt, deps_.random);
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
  }
}

// What an earlier process told of its progress last may be fresher in the cache than in the database. It decides
// nothing, and nobody waits for it.
base::Task<absl::Status> InstanceWorker::read_fresher_progress(std::shared_ptr<Execution> execution) {
  ASSIGN_OR_CO_RETURN(const auto cached, co_await deps_.cache.load(execution->prompt_id()));
  const bool agrees = cached && cached->execution_id == execution->row.id && cached->owner_epoch <= lease_.epoch &&
                      cached->cluster_epoch == execution->cluster_epoch;
  if (agrees) execution->progress.raise_to(cached->progress);
  co_return absl::OkStatus();
}

// A prompt's events go only to the client id it was submitted with: prompts of an earlier epoch get a socket with that
// id until they end. It may be deaf (the server may clean up the old one late); REST covers that.
base::Task<absl::Status> InstanceWorker::adoption_socket(std::string client_id) {
  Connection connection(deps_, config_, *comfy_, router_, lease_.instance_id, client_id, row_->ws_url, nullptr);
  sockets_.add(connection);
  base::Group group(deps_.strand);
  group.spawn_isolated(connection.run());
  absl::Status rested;
  while (rested.ok() && has_executions_of(client_id)) rested = co_await deps_.clock.sleep_for(config_.look_every);
  group.cancel();
  const absl::Status ended = co_await group.join();
  sockets_.remove(connection);
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

}  // namespace renderyard::bridge
