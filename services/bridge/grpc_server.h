// BridgeService and InstanceService, as handlers over narrow interfaces. The logic behind them knows nothing of gRPC.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <memory>

#include "libs/common/base/stream.h"
#include "libs/common/ports/bridge_event.h"
#include "libs/common/ports/hints.h"
#include "libs/common/ports/instance_store.h"
#include "libs/common/ports/model.h"
#include "services/bridge/cancelling.h"

namespace renderyard::runtime {
class ServerCore;
}

namespace renderyard::bridge {

// What BridgeService needs of the bridge. Called on the strand.
class BridgeApi {
 public:
  virtual ~BridgeApi() = default;
  // Never blocks, never fails; an unknown or foreign execution is ignored.
  // instance: 0 when it was not said.
  virtual void wake(ports::ExecutionId execution, ports::InstanceId instance) = 0;
  // The latest of each live execution, then what comes; coalesced when its reader is slow.
  virtual base::StreamPtr<ports::Progress> watch_progress() = 0;
  // The state of each instance and the latest progress of each live execution, then what comes. RESOURCE_EXHAUSTED when
  // its reader is too slow.
  virtual base::StreamPtr<ports::BridgeEvent> watch_events(bool previews) = 0;
};

// `cancel`: what CancelExecution works with.
std::unique_ptr<grpc::Service> make_bridge_service(std::shared_ptr<runtime::ServerCore> core, BridgeApi& api,
                                                   CancelDeps cancel);

// Checks names and URLs before the store sees them (INVALID_ARGUMENT "<field>: …" with the remedy); sends kInstances
// after each change.
std::unique_ptr<grpc::Service> make_instance_service(std::shared_ptr<runtime::ServerCore> core,
                                                     ports::InstanceStore& store, ports::Hints& hints);

}  // namespace renderyard::bridge
