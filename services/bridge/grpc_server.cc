#include "services/bridge/grpc_server.h"

#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/runtime/grpc/call.h"
#include "libs/common/runtime/grpc/conversions.h"
#include "renderyard/v1/bridge.grpc.pb.h"
#include "renderyard/v1/instance.grpc.pb.h"
#include "services/bridge/instance_input.h"

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

class InstanceGrpc final : public v1::InstanceService::CallbackService {
 public:
  InstanceGrpc(std::shared_ptr<runtime::ServerCore> core, ports::InstanceStore& store, ports::Hints& hints)
      : core_(std::move(core)), store_(store), hints_(hints) {}

  grpc::ServerUnaryReactor* AddInstance(grpc::CallbackServerContext* context, const v1::AddInstanceRequest* request,
                                        v1::AddInstanceResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::AddInstanceRequest message) { return add(std::move(message)); });
  }
  grpc::ServerUnaryReactor* ListInstances(grpc::CallbackServerContext* context, const v1::ListInstancesRequest* request,
                                          v1::ListInstancesResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply, [this](v1::ListInstancesRequest) { return list(); });
  }
  grpc::ServerUnaryReactor* DisableInstance(grpc::CallbackServerContext* context,
                                            const v1::DisableInstanceRequest* request,
                                            v1::DisableInstanceResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::DisableInstanceRequest message) { return disable(std::move(message)); });
  }

 private:
  base::Task<absl::StatusOr<v1::AddInstanceResponse>> add(v1::AddInstanceRequest request) {
    ASSIGN_OR_CO_RETURN(ports::NewInstance instance,
                        check_instance(request.name(), request.api_url(), request.slots()));
    ASSIGN_OR_CO_RETURN(const ports::InstanceRow row, co_await store_.add(std::move(instance)));
    hints_.send(ports::Topic::kInstances);
    v1::AddInstanceResponse reply;
    *reply.mutable_instance() = runtime::to_proto(row);
    co_return reply;
  }

  base::Task<absl::StatusOr<v1::ListInstancesResponse>> list() {
    ASSIGN_OR_CO_RETURN(const std::vector<ports::InstanceRow> rows, co_await store_.list());
    v1::ListInstancesResponse reply;
    for (const ports::InstanceRow& row : rows) *reply.add_instances() = runtime::to_proto(row);
    co_return reply;
  }

  base::Task<absl::StatusOr<v1::DisableInstanceResponse>> disable(v1::DisableInstanceRequest request) {
    CO_RETURN_IF_ERROR(check_instance_name(request.name()));
    std::string name = request.name();
    ASSIGN_OR_CO_RETURN(const ports::InstanceRow row, co_await store_.set_enabled(std::move(name), false));
    hints_.send(ports::Topic::kInstances);
    v1::DisableInstanceResponse reply;
    *reply.mutable_instance() = runtime::to_proto(row);
    co_return reply;
  }

  std::shared_ptr<runtime::ServerCore> core_;
  ports::InstanceStore& store_;
  ports::Hints& hints_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_bridge_service(std::shared_ptr<runtime::ServerCore> core, BridgeApi& api) {
  return std::make_unique<BridgeGrpc>(std::move(core), api);
}

std::unique_ptr<grpc::Service> make_instance_service(std::shared_ptr<runtime::ServerCore> core,
                                                     ports::InstanceStore& store, ports::Hints& hints) {
  return std::make_unique<InstanceGrpc>(std::move(core), store, hints);
}

}  // namespace renderyard::bridge
