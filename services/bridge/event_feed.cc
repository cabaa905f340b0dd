#include "services/bridge/event_feed.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace renderyard::bridge {

namespace {

std::size_t weight_of(const ports::BridgeEvent& event) {
  const auto* end = std::get_if<ports::ExecutionEnded>(&event);
  return end == nullptr ? 1 : 1 + end->outputs.size();
}

}  // namespace

class EventFeed::Watcher final : public base::Stream<ports::BridgeEvent> {
 public:
  Watcher(EventFeed& feed, bool previews) : feed_(feed), previews_(previews), seen_entry_(feed.version_) {
    for (const auto& [id, state] : feed_.instances_) beginning_.push_back(state);
    ++feed_.watchers_;
    if (previews_) ++feed_.preview_watchers_;
    feed_.observer_.subscribers(feed_.watchers_);
  }
  ~Watcher() override {
    --feed_.watchers_;
    if (previews_) --feed_.preview_watchers_;
    feed_.observer_.subscribers(feed_.watchers_);
    if (feed_.watchers_ == 0) {
      feed_.entries_.clear();
      feed_.weight_ = 0;
    }
    if (feed_.preview_watchers_ == 0) feed_.previews_.clear();
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  base::Task<absl::StatusOr<std::optional<ports::BridgeEvent>>> next() override {
    for (;;) {
      if (const Shared event = take()) co_return std::optional<ports::BridgeEvent>(*event);
      if (!over_.ok()) co_return over_;
      const absl::Time never = absl::InfiniteFuture();
      const absl::Status status = co_await feed_.changed_.wait_until(never);
      if (!status.ok()) co_return status;
    }
  }

 private:
  // The oldest that was not seen; null: there is none, or it is over.
  Shared take() {
    if (!beginning_.empty()) {
      Shared state = std::move(beginning_.front());
      beginning_.pop_front();
      return state;
    }
    if (over_.ok() && seen_entry_ < feed_.gone_) {
      over_ = absl::ResourceExhaustedError(
          "slow_subscriber: events came faster than they were read; watch again, which begins with what is now");
      feed_.observer_.slow_subscriber();
    }
    if (!over_.ok()) return nullptr;
    const Entry* entry = feed_.entry_after(seen_entry_);
    while (entry != nullptr && entry->progress_version != 0 && entry->progress_version <= seen_progress_) {
      seen_entry_ = entry->version;
      entry = feed_.entry_after(seen_entry_);
    }
    const std::uint64_t progress = feed_.progress_.version_after(seen_progress_);
    const std::uint64_t preview = previews_ ? feed_.previews_.version_after(seen_preview_) : 0;
    const auto first = [](std::uint64_t version, std::uint64_t one, std::uint64_t other) {
      return version != 0 && (one == 0 || version < one) && (other == 0 || version < other);
    };
    const std::uint64_t listed = entry == nullptr ? 0 : entry->version;
    if (first(listed, progress, preview)) {
      seen_entry_ = listed;
      return entry->event;
    }
    if (first(progress, listed, preview)) {
      seen_progress_ = progress;
      return feed_.progress_.at(progress);
    }
    if (preview == 0) return nullptr;
    seen_preview_ = preview;
    return feed_.previews_.at(preview);
  }

  EventFeed& feed_;
  const bool previews_;
  std::deque<Shared> beginning_;
  std::uint64_t seen_entry_;
  std::uint64_t seen_progress_ = 0;
  std::uint64_t seen_preview_ = 0;
  absl::Status over_;
};

void EventFeed::Latest::put(base::ExecutionId execution, std::uint64_t version, Shared event) {
  std::uint64_t& known = versions_[execution];
  if (known != 0) by_version_.erase(known);
  known = version;
  by_version_.emplace(version, std::make_pair(execution, std::move(event)));
}

std::optional<std::pair<std::uint64_t, EventFeed::Shared>> EventFeed::Latest::take(base::ExecutionId execution) {
  const auto known = versions_.find(execution);
  if (known == versions_.end()) return std::nullopt;
  const auto it = by_version_.find(known->second);
  auto taken = std::make_pair(known->second, std::move(it->second.second));
  by_version_.erase(it);
  versions_.erase(known);
  return taken;
}

std::uint64_t EventFeed::Latest::version_after(std::uint64_t seen) const {
  const auto it = by_version_.upper_bound(seen);
  return it == by_version_.end() ? 0 : it->first;
}

void EventFeed::Latest::clear() {
  versions_.clear();
  by_version_.clear();
}

void EventFeed::publish(ports::InstanceNews news) {
  const base::InstanceId id = news.id;
  auto event = std::make_shared<const ports::BridgeEvent>(std::move(news));
  instances_.insert_or_assign(id, event);
  append(std::move(event), 0);
}

void EventFeed::forget(base::InstanceId instance, base::Epoch epoch) {
  const auto it = instances_.find(instance);
  if (it == instances_.end()) return;
  if (std::get<ports::InstanceNews>(*it->second).owner_epoch == epoch) instances_.erase(it);
}

void EventFeed::publish(ports::ProgressNews news) {
  const base::ExecutionId execution = news.progress.execution_id;
  progress_.put(execution, ++version_, std::make_shared<const ports::BridgeEvent>(std::move(news)));
  changed_.notify();
}

void EventFeed::publish(ports::NodeStarted node) {
  if (watchers_ > 0) append(std::make_shared<const ports::BridgeEvent>(std::move(node)), 0);
}

void EventFeed::publish(ports::Preview preview) {
  if (!wants_previews()) return;
  const base::ExecutionId execution = preview.execution.execution_id;
  previews_.put(execution, ++version_, std::make_shared<const ports::BridgeEvent>(std::move(preview)));
  changed_.notify();
}

void EventFeed::publish(ports::ExecutionEnded end) {
  forget(end.execution.execution_id);
  if (watchers_ > 0) append(std::make_shared<const ports::BridgeEvent>(std::move(end)), 0);
}

void EventFeed::forget(base::ExecutionId execution) {
  previews_.take(execution);
  auto last = progress_.take(execution);
  // From now on nothing newer can stand for it.
  if (last) append(std::move(last->second), last->first);
}

void EventFeed::append(Shared event, std::uint64_t progress_version) {
  if (watchers_ == 0) return;
  weight_ += weight_of(*event);
  entries_.push_back({++version_, std::move(event), progress_version});
  while (weight_ > backlog_) {
    weight_ -= weight_of(*entries_.front().event);
    gone_ = entries_.front().version;
    entries_.pop_front();
  }
  changed_.notify();
}

const EventFeed::Entry* EventFeed::entry_after(std::uint64_t seen) const {
  const auto it = std::upper_bound(entries_.begin(), entries_.end(), seen,
                                   [](std::uint64_t version, const Entry& entry) { return version < entry.version; });
  return it == entries_.end() ? nullptr : &*it;
}

base::StreamPtr<ports::BridgeEvent> EventFeed::watch(bool previews) {
  return std::make_unique<Watcher>(*this, previews);
}

}  // namespace renderyard::bridge
