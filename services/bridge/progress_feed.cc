#include "services/bridge/progress_feed.h"

#include <memory>
#include <utility>

namespace renderyard::bridge {

class ProgressFeed::Watcher final : public base::Stream<ports::Progress> {
 public:
  explicit Watcher(ProgressFeed& feed) : feed_(feed) {}

  base::Task<absl::StatusOr<std::optional<ports::Progress>>> next() override {
    for (;;) {
      auto it = feed_.by_version_.upper_bound(seen_);
      if (it != feed_.by_version_.end()) {
        seen_ = it->first;
        co_return std::optional<ports::Progress>(feed_.latest_.at(it->second).progress);
      }
      const absl::Time never = absl::InfiniteFuture();
      const absl::Status status = co_await feed_.changed_.wait_until(never);
      if (!status.ok()) co_return status;
    }
  }

 private:
  ProgressFeed& feed_;
  std::uint64_t seen_ = 0;
};

void ProgressFeed::publish(ports::Progress progress) {
  Entry& entry = latest_[progress.execution_id];
  if (entry.version != 0) by_version_.erase(entry.version);
  entry.version = ++version_;
  by_version_.emplace(entry.version, progress.execution_id);
  entry.progress = std::move(progress);
  changed_.notify();
}

void ProgressFeed::forget(base::ExecutionId execution) {
  auto it = latest_.find(execution);
  if (it == latest_.end()) return;
  by_version_.erase(it->second.version);
  latest_.erase(it);
}

base::StreamPtr<ports::Progress> ProgressFeed::watch() {
  return std::make_unique<Watcher>(*this);
}

}  // namespace renderyard::bridge
