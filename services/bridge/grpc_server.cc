#include "services/bridge/grpc_server.h"

#include <utility>

#include "libs/common/runtime/grpc/call.h"
#include "libs/common/runtime/grpc/conversions.h"
#include "renderyard/v1/bridge.grpc.pb.h"
#include "services/bridge/event_grpc.h"

namespace renderyard::bridge {

namespace {

class BridgeGrpc final : public v1::BridgeService::CallbackService {
 public:
  BridgeGrpc(std::shared_ptr<runtime::ServerCore> core, BridgeApi& api) : core_(std::move(core)), api_(api) {}

  grpc::ServerUnaryReactor* SubmitExecution(grpc::CallbackServerContext* context,
                                            const v1::SubmitExecutionRequest* request,
                                            v1::SubmitExecutionResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::SubmitExecutionRequest message) { return submit(std::move(message)); });
  }

  grpc::ServerWriteReactor<v1::WatchProgressResponse>* WatchProgress(grpc::CallbackServerContext* context,
                                                                     const v1::WatchProgressRequest*) override {
    return runtime::serve_stream<v1::WatchProgressResponse, ports::Progress>(
        core_, context, [this] { return api_.watch_progress(); },
        [](const ports::Progress& progress) {
          v1::WatchProgressResponse message;
          *message.mutable_progress() = runtime::to_proto(progress);
          return message;
        });
  }

  grpc::ServerWriteReactor<v1::BridgeServiceWatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context, const v1::BridgeServiceWatchEventsRequest* request) override {
    const bool previews = request->previews();
    return runtime::serve_stream<v1::BridgeServiceWatchEventsResponse, ports::BridgeEvent>(
        core_, context, [this, previews] { return api_.watch_events(previews); }, to_proto);
  }

 private:
  base::Task<absl::StatusOr<v1::SubmitExecutionResponse>> submit(v1::SubmitExecutionRequest request) {
    const ports::ExecutionId execution{request.execution_id()};
    if (!execution) co_return absl::InvalidArgumentError("execution_id: must be a positive number");
    api_.wake(execution);
    co_return v1::SubmitExecutionResponse();
  }

  std::shared_ptr<runtime::ServerCore> core_;
  BridgeApi& api_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_bridge_service(std::shared_ptr<runtime::ServerCore> core, BridgeApi& api) {
  return std::make_unique<BridgeGrpc>(std::move(core), api);
}

}  // namespace renderyard::bridge
