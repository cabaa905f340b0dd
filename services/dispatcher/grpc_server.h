// DispatcherService and OperatorService, as handlers over narrow interfaces. The logic behind it knows nothing of gRPC.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "libs/common/base/stream.h"
#include "libs/common/ports/hints.h"
#include "libs/common/ports/operator_store.h"
#include "libs/common/ports/peers.h"

namespace renderyard::runtime {
class ServerCore;
}

namespace renderyard::dispatcher {

// What DispatcherService needs of the dispatcher. Called on the strand.
class EventsApi {
 public:
  virtual ~EventsApi() = default;
  // See ports::DispatcherClient::events.
  virtual base::StreamPtr<ports::EventBatch> watch_events(std::string epoch, std::optional<std::int64_t> after) = 0;
};

std::unique_ptr<grpc::Service> make_dispatcher_service(std::shared_ptr<runtime::ServerCore> core, EventsApi& api);

// Checks what is asked before the store sees it (INVALID_ARGUMENT "<field>: …"); sends kExecutions and kAssigned after
// what dispatchers and bridges must act upon.
std::unique_ptr<grpc::Service> make_operator_service(std::shared_ptr<runtime::ServerCore> core,
                                                     ports::OperatorStore& store, ports::Hints& hints);

}  // namespace renderyard::dispatcher
