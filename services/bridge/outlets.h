// What all instances of a bridge report into. Owned by the bridge. Thread-safety: on the strand.
#pragma once

#include "services/bridge/progress_feed.h"
#include "services/bridge/progress_writer.h"
#include "services/bridge/state_publisher.h"

namespace renderyard::bridge {

struct Outlets {
  Outlets(Deps& deps, const Config& config) : feed(deps.strand, deps.clock), progress(deps, config), states(deps) {}

  // The execution is over: nobody shall hear or read progress of it any more.
  void forget(base::ExecutionId execution) {
    feed.forget(execution);
    progress.forget(execution);
  }

  ProgressFeed feed;
  ProgressWriter progress;
  StatePublisher states;
};

}  // namespace renderyard::bridge
