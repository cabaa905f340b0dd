// The other services, over gRPC. Real: adapters/grpc; fake: the simulated network. UNAVAILABLE and DEADLINE_EXCEEDED
// never mean "it did not happen".
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/stream.h"
#include "libs/common/base/task.h"
#include "libs/common/ports/model.h"

namespace renderyard::ports {

class BridgeClient {
 public:
  virtual ~BridgeClient() = default;
  // A wake-up, nothing more: lost, doubled, late or misrouted it is harmless.
  // instance: that of the execution, a hint within the hint.
  virtual base::Task<absl::Status> submit_execution(std::string address, ExecutionId execution, InstanceId instance,
                                                    absl::Time deadline) = 0;
  // Progress of everything this bridge runs, beginning with the latest of each live execution.
  virtual base::StreamPtr<Progress> progress(std::string address) = 0;
};

// Settled lifecycle events in total order. `upto` is the settled bound this batch reaches: everything with id <= upto
// has been sent. A batch without events is a heartbeat (at least every 5 s).
struct EventBatch {
  std::string epoch;
  std::int64_t upto = 0;
  std::vector<JobEvent> events;
};

class DispatcherClient {
 public:
  virtual ~DispatcherClient() = default;
  // Events with id > after, or from the settled bound of now when `after` is nullopt (then the first batch has no
  // events and says the bound). An `epoch` of another database or an id below the floor: FAILED_PRECONDITION
  // position_expired.
  virtual base::StreamPtr<EventBatch> events(std::string address, std::string epoch,
                                             std::optional<std::int64_t> after) = 0;
};

}  // namespace renderyard::ports
