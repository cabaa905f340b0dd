// Writes the states of our instances to the database, those of many instances in one statement, however long the
// database is away: work is placed by them. Only the latest state of an instance is written. Bounded by the number of
// instances. Thread-safety: on the strand.
#pragma once

#include <absl/status/status.h>

#include <map>

#include "libs/common/base/event.h"
#include "services/bridge/deps.h"

namespace renderyard::bridge {

class StatePublisher {
 public:
  // `deps` outlives the publisher.
  explicit StatePublisher(Deps& deps)
      : deps_(deps), changed_(deps.strand, deps.clock), idle_(deps.strand, deps.clock) {}

  void publish(ports::InstanceState state);
  // Waits until nothing of this instance is to be written or being written.
  base::Task<absl::Status> written(base::InstanceId instance);
  // Until cancelled.
  base::Task<absl::Status> run();

 private:
  Deps& deps_;
  std::map<base::InstanceId, ports::InstanceState> waiting_;
  std::map<base::InstanceId, ports::InstanceState> in_flight_;
  base::Event changed_;
  base::Event idle_;  // a batch was written
};

}  // namespace renderyard::bridge
