#include "services/bridge/stray.h"

#include <algorithm>
#include <utility>

#include "libs/common/base/status_macros.h"

namespace renderyard::bridge {

namespace {

// A server that lets nobody stop exactly this prompt is looked at less and less often.
constexpr int kLongestPause = 12;  // times Config::quarantine_look_every

void tell_seen(ExecutionContext& context, const std::string& prompt_id) {
  const ports::ExecutionRow& row = context.execution->row;
  context.deps.journal.warning("stray_seen", {{base::key::kExecution, row.id},
                                              {base::key::kJob, row.job_id},
                                              {base::key::kInstance, row.instance_id},
                                              {base::key::kState, domain::to_string(row.state)},
                                              {base::key::kPrompt, prompt_id}});
}

base::Task<absl::Status> ask_to_stop(ExecutionContext& context, const std::string& prompt_id) {
  auto abilities = context.connection.abilities();
  if (!abilities) co_return absl::OkStatus();
  abilities->shared = true;  // an interrupt of whatever runs may hit the next prompt of ours
  const absl::Time deadline = context.deps.clock.now() + context.config.request_deadline;
  const absl::Status asked = co_await context.comfy.cancel(prompt_id, *std::move(abilities), deadline);
  if (absl::IsCancelled(asked)) co_return asked;
  context.deps.journal.info("stray_asked_to_stop", {{base::key::kExecution, context.execution->row.id},
                                                    {base::key::kPrompt, prompt_id},
                                                    {base::key::kReason, asked.ToString()}});
  co_return absl::OkStatus();
}

// Until it is neither queued nor running, seen twice when there is no trace of it: it may be on its way. One that
// nobody has seen yet is waited for until `watch_until`.
base::Task<absl::StatusOr<std::string>> until_gone(ExecutionContext& context, absl::Time watch_until) {
  base::Clock& clock = context.deps.clock;
  const absl::Duration first = context.config.quarantine_look_every;
  absl::Duration pause = first;
  bool known = false;
  absl::Time give_up_at = absl::InfiniteFuture();
  for (int absences = 0;;) {
    auto seen = co_await look(context);
    if (absl::IsCancelled(seen.status())) co_return seen.status();
    if (seen.ok() && seen->where == Look::Where::kEnded) co_return stray_outcome(seen->entry);
    if (seen.ok() && seen->where == Look::Where::kAbsent) {
      if (++absences >= 2 && (known || clock.now() >= watch_until)) co_return stray_outcome(std::nullopt);
      if (known || absences == 1) pause = first;
    } else if (seen.ok()) {
      absences = 0;
      if (!std::exchange(known, true)) {
        tell_seen(context, seen->prompt_id);
        give_up_at = clock.now() + context.config.stop_grace;
      }
      // It holds up whatever comes behind it.
      if (clock.now() >= give_up_at) context.quarantine.does_not_stop(context.execution->row.id);
      if (!context.quarantine.is_released(context.execution->row.id)) {
        CO_RETURN_IF_ERROR(co_await ask_to_stop(context, seen->prompt_id));
      }
    }
    const absl::Status rested = co_await context.execution->changed().wait_until(clock.now() + pause);
    if (absl::IsCancelled(rested)) co_return rested;
    pause = std::min(pause * 2, first * kLongestPause);
  }
}

}  // namespace

std::string stray_outcome(const std::optional<domain::HistoryEntry>& entry) {
  if (!entry) return "vanished";
  switch (entry->end) {
    case domain::HistoryEnd::kSuccess:
      return "completed";
    case domain::HistoryEnd::kError:
      return "failed";
    case domain::HistoryEnd::kInterrupted:
      return "interrupted";
  }
  return "vanished";
}

base::Task<absl::Status> stop_stray(ExecutionContext context) {
  const ports::ExecutionRow& row = context.execution->row;
  absl::Time watch_until = absl::InfinitePast();
  if (!row.given_up_at && row.completed_at) {
    watch_until = context.deps.clock.now() + (*row.completed_at + context.config.stray_watch - row.read_at);
  }
  ASSIGN_OR_CO_RETURN(const std::string outcome, co_await until_gone(context, watch_until));
  // When it cannot be written now, the next look at the news finds the execution again.
  ASSIGN_OR_CO_RETURN(const bool recorded, co_await context.deps.executions.record_stray(row.id, row.instance_id,
                                                                                         context.lease.epoch, outcome));
  if (recorded) {
    // Its job may have been ordered to another instance meanwhile: then its workflow was run twice, and this says so.
    context.deps.journal.info("stray_gone", {{base::key::kExecution, row.id},
                                             {base::key::kJob, row.job_id},
                                             {base::key::kState, domain::to_string(row.state)},
                                             {base::key::kReason, outcome}});
  }
  co_return absl::OkStatus();
}

}  // namespace renderyard::bridge
