#include "services/bridge/progress_writer.h"

#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"

namespace renderyard::bridge {

void ProgressWriter::write(ports::ProgressWrite progress, absl::Time heard_at, std::optional<absl::Time> silent_since) {
  const base::ExecutionId id = progress.id;
  waiting_.insert_or_assign(id, Waiting{std::move(progress), heard_at, silent_since});
  changed_.notify();
}

base::Task<absl::Status> ProgressWriter::run() {
  for (;;) {
    if (waiting_.empty()) {
      const absl::Time never = absl::InfiniteFuture();
      CO_RETURN_IF_ERROR(co_await changed_.wait_until(never));
      continue;
    }
    const std::map<base::ExecutionId, Waiting> taken = std::exchange(waiting_, {});
    std::vector<ports::ProgressWrite> batch;
    batch.reserve(taken.size());
    for (const auto& [id, waiting] : taken) {
      batch.push_back(waiting.progress);
      if (waiting.heard_at != absl::InfinitePast()) batch.back().silent_for = deps_.clock.now() - waiting.heard_at;
      if (waiting.silent_since) batch.back().silence_told = deps_.clock.now() - *waiting.silent_since;
    }
    const absl::Status written = co_await deps_.executions.record_progress(batch);
    if (absl::IsCancelled(written)) co_return written;
    if (!written.ok()) {
      // Not over what came meanwhile. Of executions that have ended meanwhile the fence keeps it out.
      for (const auto& [id, waiting] : taken) waiting_.emplace(id, waiting);
    }
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(config_.progress_write_every));
  }
}

}  // namespace renderyard::bridge
