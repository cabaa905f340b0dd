#include "services/bridge/cancelling.h"

#include <algorithm>

#include "libs/common/base/status_macros.h"

namespace renderyard::bridge {

namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Milliseconds(500);
constexpr absl::Duration kLongestMargin = absl::Milliseconds(200);  // for the answer's way

domain::CancelResult result_of(const ports::JobEnd& end) {
  const ports::JobError none;
  const ports::JobError& error = end.error ? *end.error : none;
  if (!end.execution) return domain::cancel_result(end.status, error.code, error.message, nullptr);
  const ports::JobError& its_error = end.execution->error ? *end.execution->error : none;
  domain::ExecutionNews news;
  news.state = end.execution->state;
  if (end.execution->outcome_proof) news.outcome_proof = *end.execution->outcome_proof;
  news.error_code = its_error.code;
  news.error_message = its_error.message;
  news.job_status = end.status;
  return domain::cancel_result(end.status, error.code, error.message, &news);
}

}  // namespace

base::Task<absl::StatusOr<domain::CancelResult>> cancel_job(CancelDeps deps, ports::JobId job, absl::Time deadline) {
  const absl::Time begun = deps.clock.now();
  const absl::Time until = deadline - std::min((deadline - begun) / 5, kLongestMargin);
  const absl::Status wished = co_await deps.store.wish(job);
  if (absl::IsNotFound(wished)) co_return wished;
  // Also when the answer was lost: the wish may stand.
  for (const ports::Topic topic : {ports::Topic::kJobs, ports::Topic::kAssigned, ports::Topic::kEvents}) {
    deps.hints.send(topic);
  }
  if (!wished.ok()) co_return wished;
  absl::Duration pause = kFirstPause;
  for (;;) {
    ASSIGN_OR_CO_RETURN(const ports::JobEnd end, co_await deps.store.look(job));
    domain::CancelResult result = result_of(end);
    const absl::Time now = deps.clock.now();
    if (result.kind != domain::CancelResult::Kind::kPending || now >= until) co_return result;
    const absl::Duration rest = std::min(pause, until - now);
    CO_RETURN_IF_ERROR(co_await deps.clock.sleep_for(rest));
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace renderyard::bridge
