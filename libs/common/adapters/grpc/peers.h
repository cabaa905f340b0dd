// The clients of our other services (ports/peers.h). Streams end with an error when the connection is lost; whoever
// reads them opens a new one. Streams and calls must have ended, or be destroyed, before the client is; its destructor
// waits for gRPC to be done with them. Thread-safety: on the strand.
#pragma once

#include <memory>
#include <string>

#include "libs/common/adapters/grpc/channels.h"
#include "libs/common/adapters/grpc/outstanding.h"
#include "libs/common/base/clock.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/peers.h"

namespace renderyard::grpc_clients {

class GrpcBridgeClient final : public ports::BridgeClient {
 public:
  GrpcBridgeClient(base::Strand& strand, base::Clock& clock, std::shared_ptr<Channels> channels);

  base::Task<absl::Status> submit_execution(std::string address, ports::ExecutionId execution,
                                            ports::InstanceId instance, absl::Time deadline) override;
  base::StreamPtr<ports::Progress> progress(std::string address) override;

 private:
  base::Strand& strand_;
  base::Clock& clock_;
  std::shared_ptr<Channels> channels_;
  Outstanding outstanding_;
};

class GrpcDispatcherClient final : public ports::DispatcherClient {
 public:
  GrpcDispatcherClient(base::Strand& strand, std::shared_ptr<Channels> channels);

  base::StreamPtr<ports::EventBatch> events(std::string address, std::string epoch,
                                            std::optional<std::int64_t> after) override;

 private:
  base::Strand& strand_;
  std::shared_ptr<Channels> channels_;
  Outstanding outstanding_;
};

}  // namespace renderyard::grpc_clients
