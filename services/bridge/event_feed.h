// The events of this bridge, for any number of watchers. Watchers pull, and nothing queues for one of them: they share
// one backlog. Progress and previews coalesce, the latest of each live execution; everything else is kept in order, up
// to kBacklog; a watcher that has fallen further behind ends with RESOURCE_EXHAUSTED "slow_subscriber: …". So no state
// of an instance is dropped unseen. The last progress before an end is never coalesced away.
// Thread-safety: on the strand; watchers must not outlive the feed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "libs/common/base/event.h"
#include "libs/common/base/stream.h"
#include "libs/common/ports/bridge_event.h"
#include "services/bridge/observer.h"

namespace renderyard::bridge {

class EventFeed {
 public:
  // In events; one with outputs weighs as many more.
  static constexpr std::size_t kBacklog = 8192;

  // `observer` outlives the feed.
  EventFeed(base::Strand& strand, base::Clock& clock, Observer& observer, std::size_t backlog = kBacklog)
      : changed_(strand, clock), observer_(observer), backlog_(backlog) {}

  void publish(ports::InstanceNews news);
  void publish(ports::ProgressNews news);
  void publish(ports::NodeStarted node);
  void publish(ports::Preview preview);
  // After the last progress of the execution, which is forgotten.
  void publish(ports::ExecutionEnded end);
  // Another bridge's from now on, or nobody's; unless a newer lease of ours has spoken of it.
  void forget(base::InstanceId instance, base::Epoch epoch);
  // Its progress and preview are no news any more.
  void forget(base::ExecutionId execution);

  bool wants_previews() const { return preview_watchers_ > 0; }
  // Begins with the state of every instance and the latest progress of each live execution.
  base::StreamPtr<ports::BridgeEvent> watch(bool previews);

 private:
  class Watcher;
  using Shared = std::shared_ptr<const ports::BridgeEvent>;

  // The latest of each execution, in the order they came.
  class Latest {
   public:
    void put(base::ExecutionId execution, std::uint64_t version, Shared event);
    // What there was, with its version.
    std::optional<std::pair<std::uint64_t, Shared>> take(base::ExecutionId execution);
    // The first that is newer; 0 = none.
    std::uint64_t version_after(std::uint64_t seen) const;
    const Shared& at(std::uint64_t version) const { return by_version_.at(version).second; }
    void clear();

   private:
    std::map<base::ExecutionId, std::uint64_t> versions_;
    std::map<std::uint64_t, std::pair<base::ExecutionId, Shared>> by_version_;
  };

  struct Entry {
    std::uint64_t version = 0;
    Shared event;
    std::uint64_t progress_version = 0;  // no news for who has seen this version of progress
  };

  void append(Shared event, std::uint64_t progress_version);
  // The first that is newer; null = none.
  const Entry* entry_after(std::uint64_t seen) const;

  base::Event changed_;
  Observer& observer_;
  const std::size_t backlog_;
  std::uint64_t version_ = 0;
  std::deque<Entry> entries_;  // versions rise
  std::size_t weight_ = 0;
  std::uint64_t gone_ = 0;  // the newest version that fell off the backlog
  std::map<base::InstanceId, Shared> instances_;
  Latest progress_;
  Latest previews_;
  int watchers_ = 0;
  int preview_watchers_ = 0;
};

}  // namespace renderyard::bridge
