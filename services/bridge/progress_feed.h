// The latest progress of each live execution, for any number of watchers. Watchers pull: a slow one gets fewer updates,
// never older ones, and nothing queues. Thread-safety: on the strand; watchers must not outlive the feed.
#pragma once

#include <cstdint>
#include <map>

#include "libs/common/base/event.h"
#include "libs/common/base/stream.h"
#include "libs/common/ports/model.h"

namespace renderyard::bridge {

class ProgressFeed {
 public:
  ProgressFeed(base::Strand& strand, base::Clock& clock) : changed_(strand, clock) {}

  void publish(ports::Progress progress);
  // The execution is over: its progress is no news any more.
  void forget(base::ExecutionId execution);
  // Begins with the latest of each live execution.
  base::StreamPtr<ports::Progress> watch();

 private:
  class Watcher;
  struct Entry {
    std::uint64_t version = 0;
    ports::Progress progress;
  };
  base::Event changed_;
  std::uint64_t version_ = 0;
  std::map<base::ExecutionId, Entry> latest_;
  std::map<std::uint64_t, base::ExecutionId> by_version_;
};

}  // namespace renderyard::bridge
