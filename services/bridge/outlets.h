// What all instances of a bridge share: what they report into, and the turns they take. Owned by the bridge.
// Thread-safety: on the strand.
#pragma once

#include "libs/common/base/turns.h"
#include "services/bridge/event_feed.h"
#include "services/bridge/progress_feed.h"
#include "services/bridge/progress_writer.h"
#include "services/bridge/state_publisher.h"

namespace renderyard::bridge {

struct Outlets {
  Outlets(Deps& deps, const Config& config)
      : feed(deps.strand, deps.clock),
        events(deps.strand, deps.clock, deps.observer),
        progress(deps, config),
        states(deps),
        capability_turns(deps.strand, deps.clock, config.capabilities_at_once) {}

  // The execution is over: nobody shall hear or read progress of it any more.
  void forget(base::ExecutionId execution) {
    feed.forget(execution);
    events.forget(execution);
    progress.forget(execution);
  }

  ProgressFeed feed;
  EventFeed events;
  ProgressWriter progress;
  StatePublisher states;
  base::Turns capability_turns;
};

}  // namespace renderyard::bridge
