#include "libs/common/adapters/grpc/peers.h"

#include <utility>

#include "libs/common/adapters/grpc/read_stream.h"
#include "libs/common/adapters/grpc/unary_call.h"
#include "libs/common/runtime/grpc/conversions.h"
#include "renderyard/v1/bridge.grpc.pb.h"
#include "renderyard/v1/dispatcher.grpc.pb.h"

namespace renderyard::grpc_clients {

GrpcBridgeClient::GrpcBridgeClient(base::Strand& strand, base::Clock& clock, std::shared_ptr<Channels> channels)
    : strand_(strand), clock_(clock), channels_(std::move(channels)) {}

base::Task<absl::Status> GrpcBridgeClient::submit_execution(std::string address, ports::ExecutionId execution,
                                                            ports::InstanceId instance, absl::Time deadline) {
  using Request = v1::SubmitExecutionRequest;
  using Reply = v1::SubmitExecutionResponse;
  auto state = std::make_shared<UnaryState<Request, Reply>>();
  state->context.set_deadline(to_gpr(clock_, deadline));
  channels_->prepare(state->context, address);
  state->request.set_execution_id(execution.value);
  state->request.set_instance_id(instance.value);
  std::shared_ptr<v1::BridgeService::Stub> stub = v1::BridgeService::NewStub(channels_->get(address));
  UnaryMethod<Request, Reply> method = [stub](grpc::ClientContext* context, const Request* request, Reply* reply,
                                              std::function<void(grpc::Status)> done) {
    stub->async()->SubmitExecution(context, request, reply, std::move(done));
  };
  const absl::StatusOr<Reply> reply = co_await unary_call(strand_, outstanding_, std::move(state), std::move(method));
  co_return reply.status();
}

base::StreamPtr<ports::Progress> GrpcBridgeClient::progress(std::string address) {
  using Request = v1::WatchProgressRequest;
  using Reply = v1::WatchProgressResponse;
  auto call = std::make_shared<ReadCall<Request, Reply>>(strand_);
  channels_->prepare(call->context(), address);
  std::shared_ptr<v1::BridgeService::Stub> stub = v1::BridgeService::NewStub(channels_->get(address));
  call->start(outstanding_,
              [stub](grpc::ClientContext* context, const Request* request, grpc::ClientReadReactor<Reply>* reactor) {
                stub->async()->WatchProgress(context, request, reactor);
              });
  return std::make_unique<ReadStream<Request, Reply, ports::Progress>>(
      strand_, std::move(call), [](const Reply& reply) { return runtime::from_proto(reply.progress()); });
}

GrpcDispatcherClient::GrpcDispatcherClient(base::Strand& strand, std::shared_ptr<Channels> channels)
    : strand_(strand), channels_(std::move(channels)) {}

base::StreamPtr<ports::EventBatch> GrpcDispatcherClient::events(std::string address, std::string epoch,
                                                                std::optional<std::int64_t> after) {
  using Request = v1::WatchEventsRequest;
  using Reply = v1::WatchEventsResponse;
  auto call = std::make_shared<ReadCall<Request, Reply>>(strand_);
  channels_->prepare(call->context(), address);
  call->request().set_epoch(epoch);
  if (after) call->request().set_after(*after);
  std::shared_ptr<v1::DispatcherService::Stub> stub = v1::DispatcherService::NewStub(channels_->get(address));
  call->start(outstanding_,
              [stub](grpc::ClientContext* context, const Request* request, grpc::ClientReadReactor<Reply>* reactor) {
                stub->async()->WatchEvents(context, request, reactor);
              });
  return std::make_unique<ReadStream<Request, Reply, ports::EventBatch>>(
      strand_, std::move(call), [](const Reply& reply) { return runtime::from_proto(reply); });
}

}  // namespace renderyard::grpc_clients
