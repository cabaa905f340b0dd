#include "services/bridge/progress_teller.h"

#include <algorithm>
#include <optional>

namespace renderyard::bridge {

void ProgressTeller::tell() {
  base::Clock& clock = context_.deps.clock;
  if (!waits()) {
    context_.execution->progress_heard_at = absl::InfiniteFuture();  // what was heard since the last is no news
    return;
  }
  if (clock.now() < next_) return;
  next_ = clock.now() + context_.config.progress_every;
  told_ = true;
  silence_told_ = is_silent();
  context_.execution->silent_since = silence_told_ ? std::optional(last_sign()) : std::nullopt;
  report_progress(context_);
}

void ProgressTeller::tell_last() {
  // That no node runs any more is no news then, and the row keeps the one at which it was stopped.
  Execution& execution = *context_.execution;
  execution.silent_since.reset();
  const bool idle = execution.progress.current_node().empty();
  if (idle && told_ && execution.progress.percent() == execution.row.progress_percent) return;
  if (is_news()) publish_progress(context_);
}

absl::Time ProgressTeller::due() const {
  if (!is_running()) return absl::InfiniteFuture();
  if (waits()) return next_;
  return silence_told_ ? absl::InfiniteFuture() : last_sign() + context_.config.silence_shown_after;
}

Execution::ProgressWakes ProgressTeller::wakes() const {
  if (waits()) return Execution::ProgressWakes::kNever;
  if (!is_running() || silence_told_) return Execution::ProgressWakes::kAlways;
  return Execution::ProgressWakes::kByNews;
}

bool ProgressTeller::is_silent() const {
  return context_.deps.clock.now() >= last_sign() + context_.config.silence_shown_after;
}

absl::Time ProgressTeller::last_sign() const {
  return std::max(context_.execution->last_heard_at(), context_.execution->begun_at);
}

}  // namespace renderyard::bridge
