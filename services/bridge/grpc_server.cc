#include "services/bridge/grpc_server.h"

#include <utility>

#include "libs/common/runtime/grpc/call.h"
#include "libs/common/runtime/grpc/conversions.h"
#include "libs/common/runtime/grpc/server_core.h"
#include "renderyard/v1/bridge.grpc.pb.h"
#include "services/bridge/event_grpc.h"

namespace renderyard::bridge {

namespace {

class BridgeGrpc final : public v1::BridgeService::CallbackService {
 public:
  BridgeGrpc(std::shared_ptr<runtime::ServerCore> core, BridgeApi& api, CancelDeps cancel)
      : core_(std::move(core)), api_(api), cancel_(cancel) {}

  grpc::ServerUnaryReactor* SubmitExecution(grpc::CallbackServerContext* context,
                                            const v1::SubmitExecutionRequest* request,
                                            v1::SubmitExecutionResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::SubmitExecutionRequest message) { return submit(std::move(message)); });
  }

  grpc::ServerUnaryReactor* CancelExecution(grpc::CallbackServerContext* context,
                                            const v1::CancelExecutionRequest* request,
                                            v1::CancelExecutionResponse* reply) override {
    const absl::Time deadline = core_->deadline(*context);
    return runtime::serve_unary(core_, context, request, reply, [this, deadline](v1::CancelExecutionRequest message) {
      return cancel(std::move(message), deadline);
    });
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
    api_.wake(execution, ports::InstanceId{request.instance_id()});
    co_return v1::SubmitExecutionResponse();
  }

  base::Task<absl::StatusOr<v1::CancelExecutionResponse>> cancel(v1::CancelExecutionRequest request,
                                                                 absl::Time deadline) {
    const ports::JobId job{request.job_id()};
    if (!job) co_return absl::InvalidArgumentError("job_id: must be a positive number");
    v1::CancelExecutionResponse reply;
    const auto result = co_await cancel_job(cancel_, job, deadline);
    if (absl::IsNotFound(result.status())) {
      reply.set_outcome(v1::CANCEL_OUTCOME_NOT_FOUND);
      co_return reply;
    }
    if (!result.ok()) co_return result.status();
    reply.set_outcome(outcome_of(result->kind));
    reply.set_error_code(result->error_code);
    reply.set_error_message(result->error_message);
    co_return reply;
  }

  static v1::CancelOutcome outcome_of(domain::CancelResult::Kind kind) {
    switch (kind) {
      case domain::CancelResult::Kind::kPending:
        return v1::CANCEL_OUTCOME_PENDING;
      case domain::CancelResult::Kind::kCancelled:
        return v1::CANCEL_OUTCOME_CANCELLED;
      case domain::CancelResult::Kind::kCompleted:
        return v1::CANCEL_OUTCOME_COMPLETED;
      case domain::CancelResult::Kind::kFailed:
        return v1::CANCEL_OUTCOME_FAILED;
    }
    return v1::CANCEL_OUTCOME_UNSPECIFIED;
  }

  std::shared_ptr<runtime::ServerCore> core_;
  BridgeApi& api_;
  CancelDeps cancel_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_bridge_service(std::shared_ptr<runtime::ServerCore> core, BridgeApi& api,
                                                   CancelDeps cancel) {
  return std::make_unique<BridgeGrpc>(std::move(core), api, cancel);
}

}  // namespace renderyard::bridge
