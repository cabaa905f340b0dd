// Hints: "look again" across processes (PostgreSQL NOTIFY, sent by an own connection after the commit, coalesced). Each
// may be lost, doubled or late; a slow poll stands behind each. Adapter: adapters/postgres; fake: testing/fake_hints.
#pragma once

#include <absl/functional/any_invocable.h>

namespace renderyard::ports {

enum class Topic {
  kJobs,        // a job or a wish was written: dispatchers claim
  kExecutions,  // an execution started or ended, or a slot became free: dispatchers settle and claim
  kEvents,      // job_events were committed: dispatchers tail
  kInstances,   // instances were changed: bridges look at leases
  kAssigned,    // an execution was assigned, or a wish was copied to one: bridges look (beside SubmitExecution)
};

class Hints {
 public:
  virtual ~Hints() = default;
  // Never blocks, never fails; several calls within a moment become one notification.
  virtual void send(Topic topic) = 0;
  // `callback` runs on the caller's strand for every hint of the topic, and once after each (re)connect of the
  // listener. One per topic; an empty callback ends it.
  virtual void listen(Topic topic, absl::AnyInvocable<void()> callback) = 0;
};

}  // namespace renderyard::ports
