#include "services/bridge/stray.h"

#include <algorithm>
#include <utility>

#include "libs/common/base/status_macros.h"

namespace renderyard::bridge {

namespace {

// A server that lets nobody stop exactly this prompt is looked at less and less often.
constexpr int kLongestPause = 12;  // times Config::quarantine_look_every

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

// Until it is neither queued nor running, seen twice when there is no trace of it: it may be on its way.
base::Task<absl::StatusOr<std::string>> until_gone(ExecutionContext& context) {
  const absl::Duration first = context.config.quarantine_look_every;
  absl::Duration pause = first;
  for (int absences = 0;;) {
    auto seen = co_await look(context);
    if (absl::IsCancelled(seen.status())) co_return seen.status();
    if (seen.ok() && seen->where == Look::Where::kEnded) co_return stray_outcome(seen->entry);
    if (seen.ok() && seen->where == Look::Where::kAbsent) {
      if (++absences == 2) co_return stray_outcome(std::nullopt);
      pause = first;
    } else if (seen.ok()) {
      absences = 0;
      CO_RETURN_IF_ERROR(co_await ask_to_stop(context, seen->prompt_id));
    }
    CO_RETURN_IF_ERROR(co_await context.deps.clock.sleep_for(pause));
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
  context.deps.journal.warning("stray_found", {{base::key::kExecution, row.id},
                                               {base::key::kInstance, row.instance_id},
                                               {base::key::kPrompt, context.execution->prompt_id()}});
  ASSIGN_OR_CO_RETURN(const std::string outcome, co_await until_gone(context));
  // When it cannot be written now, the next look at the news finds the execution again.
  ASSIGN_OR_CO_RETURN(const bool recorded, co_await context.deps.executions.record_stray(row.id, row.instance_id,
                                                                                         context.lease.epoch, outcome));
  if (recorded) {
    context.deps.journal.info("stray_gone", {{base::key::kExecution, row.id}, {base::key::kReason, outcome}});
  }
  co_return absl::OkStatus();
}

}  // namespace renderyard::bridge
