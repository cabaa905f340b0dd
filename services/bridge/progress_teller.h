// When the progress of one running execution is told: the first at once, then at most one in Config::progress_every,
// and the last before the end whenever it comes. Silence of Config::silence_shown_after, and its end, are progress too.
// Thread-safety: on the strand. `context` outlives this.
#pragma once

#include <absl/time/time.h>

#include "services/bridge/execution_context.h"

namespace renderyard::bridge {

class ProgressTeller {
 public:
  explicit ProgressTeller(ExecutionContext& context) : context_(context) {}

  // Tells what is due now.
  void tell();
  // The execution is about to end: the last word waits for no interval. Its row is about to be written anyway.
  void tell_last();
  // What has to call tell() before it is due().
  Execution::ProgressWakes wakes() const;
  // When tell() has to be called again if nothing more is heard.
  absl::Time due() const;

 private:
  // There is something to tell, now or when it is due.
  bool waits() const { return is_running() && (is_news() || is_silent() != silence_told_); }
  bool is_news() const { return is_running() && (!told_ || context_.execution->has_progress_news()); }
  bool is_running() const { return context_.execution->row.state == domain::ExecutionState::kRunning; }
  bool is_silent() const;
  absl::Time last_sign() const;

  ExecutionContext& context_;
  absl::Time next_ = absl::InfinitePast();
  bool told_ = false;
  bool silence_told_ = false;
};

}  // namespace renderyard::bridge
