#include "services/dispatcher/event_tailer.h"

#include <algorithm>
#include <utility>

#include "libs/common/base/status_macros.h"

namespace renderyard::dispatcher {

class EventTailer::Watcher final : public base::Stream<ports::EventBatch> {
 public:
  Watcher(EventTailer& tailer, std::string epoch, std::optional<std::int64_t> after)
      : tailer_(tailer), epoch_(std::move(epoch)), after_(after) {}

  base::Task<absl::StatusOr<std::optional<ports::EventBatch>>> next() override {
    if (!begun_) {
      auto first = co_await begin();
      if (!first.ok() || first->has_value()) co_return first;
    }
    const absl::Time heartbeat_at = tailer_.deps_.clock.now() + tailer_.config_.heartbeat;
    for (;;) {
      if (tailer_.settled_ && *tailer_.settled_ > cursor_) co_return co_await read_on();
      const absl::Status status = co_await tailer_.moved_.wait_until(heartbeat_at);
      if (absl::IsDeadlineExceeded(status)) co_return std::optional<ports::EventBatch>(batch({}, cursor_));
      if (!status.ok()) co_return status;
    }
  }

 private:
  // Checks the position; without one, answers the bound from which the watcher follows.
  base::Task<absl::StatusOr<std::optional<ports::EventBatch>>> begin() {
    ASSIGN_OR_CO_RETURN(const ports::ClusterMeta meta, co_await tailer_.deps_.log.cluster());
    if (!epoch_.empty() && epoch_ != meta.epoch) {
      co_return absl::FailedPreconditionError("position_expired: the position is of another database");
    }
    if (after_ && *after_ < meta.events_floor) {
      co_return absl::FailedPreconditionError("position_expired: events up to the position are gone");
    }
    epoch_ = meta.epoch;
    const absl::Time deadline = tailer_.deps_.clock.now() + tailer_.config_.heartbeat;
    while (!tailer_.settled_) {
      const absl::Status status = co_await tailer_.moved_.wait_until(deadline);
      if (absl::IsDeadlineExceeded(status)) co_return absl::UnavailableError("no settled bound yet");
      if (!status.ok()) co_return status;
    }
    begun_ = true;
    cursor_ = after_.value_or(*tailer_.settled_);
    if (after_) co_return std::optional<ports::EventBatch>();
    co_return std::optional<ports::EventBatch>(batch({}, cursor_));
  }

  base::Task<absl::StatusOr<std::optional<ports::EventBatch>>> read_on() {
    const std::int64_t settled = *tailer_.settled_;
    const auto limit = static_cast<std::size_t>(tailer_.config_.batch);
    std::vector<ports::JobEvent> events;
    if (cursor_ >= tailer_.window_floor_) {
      const auto& window = tailer_.window_;
      auto it = std::upper_bound(window.begin(), window.end(), cursor_,
                                 [](std::int64_t id, const ports::JobEvent& event) { return id < event.id; });
      for (; it != window.end() && events.size() < limit; ++it) events.push_back(*it);
    } else {
      ASSIGN_OR_CO_RETURN(events, co_await tailer_.deps_.log.read(cursor_, settled, tailer_.config_.batch));
    }
    // A full batch may have left some behind; then only its own last id has been reached.
    cursor_ = events.size() >= limit ? events.back().id : settled;
    co_return std::optional<ports::EventBatch>(batch(std::move(events), cursor_));
  }

  ports::EventBatch batch(std::vector<ports::JobEvent> events, std::int64_t upto) const {
    ports::EventBatch out;
    out.epoch = epoch_;
    out.upto = upto;
    out.events = std::move(events);
    return out;
  }

  EventTailer& tailer_;
  std::string epoch_;
  std::optional<std::int64_t> after_;
  bool begun_ = false;
  std::int64_t cursor_ = 0;
};

EventTailer::EventTailer(Deps deps, Config config)
    : deps_(deps), config_(config), look_(deps.strand, deps.clock), moved_(deps.strand, deps.clock) {}

void EventTailer::wake() {
  look_.notify();
}

base::StreamPtr<ports::EventBatch> EventTailer::watch(std::string epoch, std::optional<std::int64_t> after) {
  return std::make_unique<Watcher>(*this, std::move(epoch), after);
}

base::Task<absl::Status> EventTailer::run() {
  bool failing = false;
  for (;;) {
    const absl::Status status = co_await advance();
    if (absl::IsCancelled(status)) co_return status;
    if (failing == status.ok()) {
      failing = !status.ok();
      deps_.journal.warning(failing ? "event_log_away" : "event_log_back", {{base::key::kReason, status.ToString()}});
    }
    const absl::Time deadline = deps_.clock.now() + config_.poll;
    const absl::Status rested = co_await look_.wait_until(deadline);
    if (absl::IsCancelled(rested)) co_return rested;
  }
}

base::Task<absl::Status> EventTailer::advance() {
  ASSIGN_OR_CO_RETURN(const std::int64_t issued, co_await deps_.log.last_issued_id());
  if (settled_ && issued <= *settled_) co_return absl::OkStatus();
  // In an own, later transaction: everything that drew an id up to `issued` has a transaction id below this one.
  ASSIGN_OR_CO_RETURN(const std::uint64_t transaction, co_await deps_.log.fresh_transaction_id());
  CO_RETURN_IF_ERROR(co_await wait_until_settled(transaction));
  if (!settled_) {
    window_floor_ = issued;
    settled_ = issued;
    moved_.notify();
    co_return absl::OkStatus();
  }
  std::int64_t cursor = *settled_;
  while (cursor < issued) {
    ASSIGN_OR_CO_RETURN(std::vector<ports::JobEvent> events, co_await deps_.log.read(cursor, issued, config_.batch));
    const bool full = events.size() >= static_cast<std::size_t>(config_.batch);
    cursor = full ? events.back().id : issued;
    for (ports::JobEvent& event : events) window_.push_back(std::move(event));
    while (window_.size() > config_.window) {
      window_floor_ = window_.front().id;
      window_.pop_front();
    }
    settled_ = cursor;
    moved_.notify();
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> EventTailer::wait_until_settled(std::uint64_t transaction) {
  absl::Duration pause = absl::Milliseconds(1);
  for (;;) {
    ASSIGN_OR_CO_RETURN(const std::uint64_t oldest, co_await deps_.log.oldest_running_transaction_id());
    if (oldest >= transaction) co_return absl::OkStatus();
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
    pause = std::min(pause * 2, absl::Milliseconds(50));
  }
}

}  // namespace renderyard::dispatcher
