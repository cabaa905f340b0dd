// The settled lifecycle events, in total order, for any number of watchers (docs/positions.md).
//
// run() follows the table: it learns the last issued id, waits until every transaction that could still commit below it
// has ended, and only then calls it settled. Watchers pull: each has a cursor and reads from a shared window of recent
// events, or from the database when it is further behind, so a slow watcher costs nobody anything and no queue can
// overflow. Thread-safety: on the strand.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "libs/common/base/clock.h"
#include "libs/common/base/event.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/stream.h"
#include "libs/common/ports/event_log.h"
#include "libs/common/ports/peers.h"

namespace renderyard::dispatcher {

class EventTailer {
 public:
  struct Deps {
    base::Strand& strand;
    base::Clock& clock;
    base::Journal& journal;
    ports::EventLog& log;
  };
  struct Config {
    absl::Duration poll = absl::Milliseconds(250);
    absl::Duration heartbeat = absl::Seconds(5);
    std::size_t window = 8192;  // recent events kept in memory
    int batch = 512;            // events per message and per read
  };

  EventTailer(Deps deps, Config config);

  base::Task<absl::Status> run();
  // Look now (a hint came).
  void wake();
  // The watcher must not outlive the tailer.
  base::StreamPtr<ports::EventBatch> watch(std::string epoch, std::optional<std::int64_t> after);

 private:
  class Watcher;

  base::Task<absl::Status> advance();
  base::Task<absl::Status> wait_until_settled(std::uint64_t transaction);

  Deps deps_;
  Config config_;
  base::Event look_;
  base::Event moved_;  // settled_ has risen
  std::optional<std::int64_t> settled_;
  std::int64_t window_floor_ = 0;  // the window holds every event in (window_floor_, settled_]
  std::deque<ports::JobEvent> window_;
};

}  // namespace renderyard::dispatcher
