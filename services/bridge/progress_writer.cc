#include "services/bridge/progress_writer.h"

#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"

namespace renderyard::bridge {

void ProgressWriter::write(ports::ProgressWrite progress) {
  const base::ExecutionId id = progress.id;
  waiting_.insert_or_assign(id, std::move(progress));
  changed_.notify();
}

base::Task<absl::Status> ProgressWriter::run() {
  for (;;) {
    if (waiting_.empty()) {
      const absl::Time never = absl::InfiniteFuture();
      CO_RETURN_IF_ERROR(co_await changed_.wait_until(never));
      continue;
    }
    std::vector<ports::ProgressWrite> batch;
    batch.reserve(waiting_.size());
    for (const auto& [id, progress] : std::exchange(waiting_, {})) batch.push_back(progress);
    const absl::Status written = co_await deps_.executions.record_progress(batch);
    if (absl::IsCancelled(written)) co_return written;
    if (!written.ok()) {
      // Not over what came meanwhile. Of executions that have ended meanwhile the fence keeps it out.
      for (ports::ProgressWrite& progress : batch) waiting_.emplace(progress.id, std::move(progress));
    }
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(config_.progress_write_every));
  }
}

}  // namespace renderyard::bridge
