#include "services/bridge/execution_context.h"

#include <absl/time/time.h>

#include <algorithm>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/backoff.h"
#include "libs/common/domain/common_names.h"
#include "libs/common/domain/error_code.h"
#include "libs/common/domain/machines.h"

namespace renderyard::bridge {

namespace {

using domain::ExecutionState;

constexpr int kNewestEntries = 64;
constexpr int kAllEntries = 10'000;  // a server keeps no more (ComfyUI: MAXIMUM_HISTORY_SIZE)

// Did an advance whose answer was lost happen? nullopt: it did not, try again.
std::optional<bool> outcome_of(const ports::ExecutionRow& now, const ports::Advance& step) {
  if (now.owner_epoch != step.epoch) return false;
  if (now.state == step.to) return true;
  for (const ExecutionState from : step.from) {
    if (now.state == from) return std::nullopt;
  }
  return false;
}

bool worth_a_retry(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status) ||
         absl::IsAborted(status);
}

void take_over(Execution& execution, const ports::Advance& step) {
  execution.row.state = step.to;
  if (step.comfyui_prompt_id) execution.row.comfyui_prompt_id = step.comfyui_prompt_id;
  if (step.heard_outputs) execution.row.heard_outputs = step.heard_outputs;
  if (step.heard_end) execution.row.heard_end = step.heard_end;
  if (step.prompt_ended_at) execution.row.prompt_ended_at = step.prompt_ended_at;
  if (step.heard_whole) execution.row.heard_whole = *step.heard_whole;
  if (step.error) execution.row.error = step.error;
}

const domain::QueueItem* find_ours(const std::vector<domain::QueueItem>& items, const Execution& execution) {
  // While the server's id is not known, ours names it: a UUID, so that no other deployment's prompt can be meant.
  const bool known = execution.row.comfyui_prompt_id.has_value();
  for (const auto& item : items) {
    if (item.prompt_id == execution.prompt_id()) return &item;
    if (!known && item.chosen_id == execution.row.client_prompt_id) return &item;
  }
  return nullptr;
}

std::optional<Look> find_in(const domain::QueueListing& queue, const Execution& execution) {
  if (const auto* item = find_ours(queue.running, execution)) return Look{Look::Where::kRunning, item->prompt_id, {}};
  if (const auto* item = find_ours(queue.pending, execution)) return Look{Look::Where::kPending, item->prompt_id, {}};
  return std::nullopt;
}

// The database refuses a text: keep the state without the words. Outputs cannot be done without: then the step becomes
// a failure. False: there is nothing left to drop.
bool drop_words(ports::Advance& step) {
  if (step.circuit) step.circuit->reason.clear();
  static constexpr char kUnstorable[] = "the server's message cannot be stored";
  if (step.heard_outputs) {
    step.heard_outputs.reset();
    if (step.to != ExecutionState::kCollecting) return true;
    step.to = ExecutionState::kFailed;
    step.error = ports::JobError{
        std::string(domain::code::kResultUnstorable), "the database refuses the outputs of the prompt", {}, {}};
    return true;
  }
  if (!step.error || step.error->message == kUnstorable) return false;
  step.error->message = kUnstorable;
  return true;
}

bool fence_lost(ExecutionContext& context, const ports::Advance& step) {
  context.deps.journal.warning("fence_lost", {{base::key::kExecution, step.id},
                                              {base::key::kEpoch, step.epoch},
                                              {base::key::kState, domain::to_string(step.to)}});
  return false;
}

void hold(std::optional<NameTurns::Turn>& turn, NameTurns& turns, bool needed) {
  if (!needed) {
    turn.reset();
  } else if (!turn) {
    turn.emplace(turns);
  }
}

}  // namespace

base::Task<absl::StatusOr<bool>> persist(ExecutionContext& context, ports::Advance step) {
  Execution& execution = *context.execution;
  step.id = execution.row.id;
  step.epoch = context.lease.epoch;
  step.from = {execution.row.state};
  // The prompt is over: from this write on the job may end at any moment, also when we never hear that it was written,
  // and nobody shall hear progress of a job that has ended.
  if (step.to == ExecutionState::kCollecting || domain::is_final(step.to)) context.outlets.forget(execution.row.id);
  bool in_doubt = false;
  for (int attempt = 1;; ++attempt) {
    auto advanced = co_await context.deps.executions.advance(step);
    if (advanced.ok() && advanced->has_value()) {
      if ((*advanced)->cancel_requested) execution.wish_cancel();
      break;
    }
    if (absl::IsInvalidArgument(advanced.status()) && drop_words(step)) {
      context.deps.journal.warning("text_unstorable", {{base::key::kExecution, execution.row.id}});
      continue;
    }
    if (!advanced.ok() && !worth_a_retry(advanced.status())) co_return advanced.status();
    if (advanced.ok() && !in_doubt) co_return fence_lost(context, step);
    // Either the answer was lost now, or it was before and an earlier attempt may have moved the row: ask, never guess.
    if (!advanced.ok()) {
      in_doubt = true;
      const absl::Duration pause = domain::retry_pause(attempt, context.deps.random);
      CO_RETURN_IF_ERROR(co_await context.deps.clock.sleep_for(pause));
    }
    auto row = co_await context.deps.executions.read(execution.row.id);
    if (absl::IsCancelled(row.status())) co_return row.status();
    if (!row.ok()) continue;
    if (row->cancel_requested_at) execution.wish_cancel();
    const std::optional<bool> outcome = outcome_of(*row, step);
    if (outcome == false) co_return fence_lost(context, step);
    if (outcome == true) break;
  }
  take_over(execution, step);
  if (!execution.row.started_at && (step.started || step.to == ExecutionState::kRunning)) {
    execution.row.started_at = execution.database_time(context.deps.clock.now());
  }
  if (!domain::is_final(step.to)) remember(context);
  if (step.quarantine) context.quarantine.gave_up(execution.row.id);
  context.deps.journal.info("execution_" + std::string(domain::to_string(step.to)),
                            {{base::key::kExecution, execution.row.id},
                             {base::key::kJob, execution.row.job_id},
                             {base::key::kPrompt, execution.prompt_id()},
                             {base::key::kCode, step.error ? step.error->code : ""},
                             {base::key::kReason, step.outcome_proof.value_or("")}});
  if (step.to != ExecutionState::kQueued) context.deps.hints.send(ports::Topic::kExecutions);
  co_return true;
}

ports::Advance failed_with(std::string_view code, std::string message, std::string node_id, std::string node_class) {
  ports::Advance step;
  step.to = ExecutionState::kFailed;
  step.error = ports::JobError{std::string(code), std::move(message), std::move(node_id), std::move(node_class)};
  return step;
}

base::Task<absl::StatusOr<Look>> look(ExecutionContext& context) {
  Execution& execution = *context.execution;
  const absl::Time deadline = context.deps.clock.now() + context.config.request_deadline;
  ASSIGN_OR_CO_RETURN(const domain::QueueListing before, co_await context.comfy.queue(deadline));
  if (auto found = find_in(before, execution)) co_return *std::move(found);
  ASSIGN_OR_CO_RETURN(std::optional<domain::HistoryEntry> entry,
                      co_await context.comfy.history(execution.prompt_id(), deadline));
  if (entry) co_return Look{Look::Where::kEnded, execution.prompt_id(), std::move(entry)};
  const auto& abilities = context.connection.abilities();
  if (!execution.row.comfyui_prompt_id && (!abilities || !abilities->own_prompt_ids)) {
    // A server that chose the id itself: ours stands only in the extra data. Other clients' prompts may have pushed it
    // far down, and "absent" may be said only of the whole history.
    std::vector<domain::QueueItem> recent;
    for (const int entries : {kNewestEntries, kAllEntries}) {
      ASSIGN_OR_CO_RETURN(recent, co_await context.comfy.recent_history(entries, deadline));
      if (find_ours(recent, execution) != nullptr) break;
    }
    if (const auto* item = find_ours(recent, execution)) {
      const std::string server_id = item->prompt_id;
      ASSIGN_OR_CO_RETURN(std::optional<domain::HistoryEntry> old, co_await context.comfy.history(server_id, deadline));
      if (old) co_return Look{Look::Where::kEnded, server_id, std::move(old)};
    }
  }
  ASSIGN_OR_CO_RETURN(const domain::QueueListing after, co_await context.comfy.queue(deadline));
  if (auto found = find_in(after, execution)) co_return *std::move(found);
  co_return Look{};
}

void keep_turn_by_workflow(ExecutionContext& context, std::string_view workflow_json) {
  // With one slot there is no next prompt to look at before this one's files are known.
  if (context.instance.slots == 1) return;
  Execution& execution = *context.execution;
  execution.name_classes = domain::classes_of_common_names(workflow_json, context.instance.unique_prefix);
  keep_turn_by_classes(context.name_turns, execution);
}

void keep_turn_by_classes(NameTurns& turns, Execution& execution) {
  if (execution.name_classes) hold(execution.name_turn, turns, turns.needed_for(*execution.name_classes));
}

void keep_turn_by_files(ExecutionContext& context, bool overwritable) {
  context.execution->name_classes.reset();
  hold(context.execution->name_turn, context.name_turns, overwritable);
}

void remember(ExecutionContext& context) {
  const Execution& execution = *context.execution;
  ports::CachedProgress cached;
  cached.prompt_id = execution.prompt_id();
  cached.job_type = execution.job_type;
  cached.user_id = execution.row.user_id;
  cached.character_id = execution.character_id;
  cached.status = std::string(domain::to_string(execution.row.state));
  cached.progress = execution.progress.percent();
  if (execution.row.started_at)
    cached.started_at = absl::FormatTime(absl::RFC3339_full, *execution.row.started_at, absl::UTCTimeZone());
  cached.client_id = execution.row.client_id.value_or("");
  cached.execution_id = execution.row.id;
  cached.owner_epoch = context.lease.epoch;
  cached.cluster_epoch = execution.cluster_epoch;
  context.deps.cache.save(std::move(cached));
}

ports::Progress publish_progress(ExecutionContext& context) {
  Execution& execution = *context.execution;
  const std::string node = execution.progress.current_node();
  ports::Progress progress;
  progress.job_id = execution.row.job_id;
  progress.user_id = execution.row.user_id;
  progress.execution_id = execution.row.id;
  progress.owner_epoch = context.lease.epoch;
  progress.instance_id = execution.row.instance_id;
  progress.percent = execution.progress.percent();
  progress.current_node = node;
  if (auto it = execution.workflow.nodes.find(node); it != execution.workflow.nodes.end()) {
    progress.node_class = it->second.class_type;
    progress.node_title = it->second.title;
  }
  progress.message = execution.held_up_by;
  progress.at = context.deps.clock.wall();
  if (execution.silent_since) {
    progress.silent_since = progress.at - (context.deps.clock.now() - *execution.silent_since);
  }
  context.outlets.feed.publish(progress);
  context.outlets.events.publish(ports::ProgressNews{progress, execution.prompt_id()});
  ++execution.progress_updates;
  const absl::Time heard_at = std::exchange(execution.progress_heard_at, absl::InfiniteFuture());
  const absl::Time now = context.deps.clock.now();
  context.deps.observer.progress(now - std::min(heard_at, now));  // news of silence is of now
  context.deps.journal.debug("comfyui_progress_update", {{base::key::kInstance, execution.row.instance_id},
                                                         {base::key::kExecution, execution.row.id},
                                                         {base::key::kJob, execution.row.job_id},
                                                         {base::key::kPrompt, execution.prompt_id()},
                                                         {"percent", progress.percent},
                                                         {"node_id", node}});
  return progress;
}

void report_progress(ExecutionContext& context) {
  Execution& execution = *context.execution;
  const ports::Progress progress = publish_progress(context);
  execution.row.progress_percent = progress.percent;
  execution.row.current_node = progress.current_node;

  remember(context);
  ports::ProgressWrite write{execution.row.id, context.lease.epoch, progress.percent, progress.current_node};
  write.message = progress.message;
  context.outlets.progress.write(std::move(write), execution.last_heard_at(), execution.silent_since);
}

std::string store_trouble(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? "outputs wait: the artifact store is full"
                                           : "outputs wait: the artifact store cannot be written";
}

void tell_held_up(ExecutionContext& context, std::string why) {
  if (context.execution->held_up_by == why) return;
  context.execution->held_up_by = std::move(why);
  report_progress(context);
}

}  // namespace renderyard::bridge
