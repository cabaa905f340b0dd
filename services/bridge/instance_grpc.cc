#include <optional>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "libs/common/runtime/grpc/call.h"
#include "libs/common/runtime/grpc/conversions.h"
#include "renderyard/v1/instance.grpc.pb.h"
#include "services/bridge/access_input.h"
#include "services/bridge/grpc_server.h"
#include "services/bridge/instance_input.h"

namespace renderyard::bridge {

namespace {

absl::StatusOr<std::vector<ports::SecretHeader>> headers_of(const v1::InstanceAccess& message) {
  AccessInput access;
  if (message.has_basic()) access.basic = {message.basic().user(), message.basic().password()};
  access.bearer_token = message.bearer_token();
  for (const v1::AccessHeader& header : message.headers()) access.headers.push_back({header.name(), header.value()});
  return check_access(std::move(access));
}

absl::StatusOr<ports::NewInstance> to_new(const v1::AddInstanceRequest& request) {
  ASSIGN_OR_RETURN(ports::NewInstance instance, check_instance(request.name(), request.api_url(), request.slots()));
  ASSIGN_OR_RETURN(instance.headers, headers_of(request.access()));
  instance.behind_proxy = request.behind_proxy();
  instance.unique_prefix = !request.has_unique_prefix() || request.unique_prefix();
  instance.shared_instance = request.shared_instance();
  return instance;
}

absl::StatusOr<ports::InstanceChange> to_change(const v1::ChangeInstanceRequest& request) {
  RETURN_IF_ERROR(check_instance_name(request.name()));
  ports::InstanceChange change;
  if (request.has_api_url()) {
    ASSIGN_OR_RETURN(InstanceAddress address, check_address(request.api_url()));
    change.api_url = std::move(address.api_url);
    change.ws_url = std::move(address.ws_url);
  }
  if (request.has_slots()) {
    RETURN_IF_ERROR(check_slots(request.slots()));
    change.slots = request.slots();
  }
  if (request.has_access()) {
    ASSIGN_OR_RETURN(change.headers, headers_of(request.access()));
  }
  if (request.has_behind_proxy()) change.behind_proxy = request.behind_proxy();
  if (request.has_unique_prefix()) change.unique_prefix = request.unique_prefix();
  if (request.has_shared_instance()) change.shared_instance = request.shared_instance();
  return change;
}

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
    return runtime::serve_unary(core_, context, request, reply, [this](const v1::ListInstancesRequest& message) {
      return list(message.with_removed());
    });
  }
  grpc::ServerUnaryReactor* GetInstance(grpc::CallbackServerContext* context, const v1::GetInstanceRequest* request,
                                        v1::GetInstanceResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::GetInstanceRequest message) { return get(std::move(message)); });
  }
  grpc::ServerUnaryReactor* ChangeInstance(grpc::CallbackServerContext* context,
                                           const v1::ChangeInstanceRequest* request,
                                           v1::ChangeInstanceResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::ChangeInstanceRequest message) { return change(std::move(message)); });
  }
  grpc::ServerUnaryReactor* EnableInstance(grpc::CallbackServerContext* context,
                                           const v1::EnableInstanceRequest* request,
                                           v1::EnableInstanceResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::EnableInstanceRequest message) { return enable(std::move(message)); });
  }
  grpc::ServerUnaryReactor* DisableInstance(grpc::CallbackServerContext* context,
                                            const v1::DisableInstanceRequest* request,
                                            v1::DisableInstanceResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::DisableInstanceRequest message) { return disable(std::move(message)); });
  }
  grpc::ServerUnaryReactor* ReleaseInstance(grpc::CallbackServerContext* context,
                                            const v1::ReleaseInstanceRequest* request,
                                            v1::ReleaseInstanceResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::ReleaseInstanceRequest message) { return release(std::move(message)); });
  }
  grpc::ServerUnaryReactor* DrainInstance(grpc::CallbackServerContext* context, const v1::DrainInstanceRequest* request,
                                          v1::DrainInstanceResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::DrainInstanceRequest message) { return drain(std::move(message)); });
  }
  grpc::ServerUnaryReactor* UndrainInstance(grpc::CallbackServerContext* context,
                                            const v1::UndrainInstanceRequest* request,
                                            v1::UndrainInstanceResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::UndrainInstanceRequest message) { return undrain(std::move(message)); });
  }
  grpc::ServerUnaryReactor* RemoveInstance(grpc::CallbackServerContext* context,
                                           const v1::RemoveInstanceRequest* request,
                                           v1::RemoveInstanceResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply,
                                [this](v1::RemoveInstanceRequest message) { return remove(std::move(message)); });
  }

 private:
  // The answer to a change that was made; everybody is told.
  template <class Response>
  absl::StatusOr<Response> changed(const absl::StatusOr<ports::InstanceRow>& row) {
    if (!row.ok()) return row.status();
    hints_.send(ports::Topic::kInstances);
    Response reply;
    *reply.mutable_instance() = runtime::to_proto(*row);
    return reply;
  }

  base::Task<absl::StatusOr<v1::AddInstanceResponse>> add(v1::AddInstanceRequest request) {
    ASSIGN_OR_CO_RETURN(ports::NewInstance instance, to_new(request));
    const auto row = co_await store_.add(std::move(instance));
    co_return changed<v1::AddInstanceResponse>(row);
  }

  base::Task<absl::StatusOr<v1::ListInstancesResponse>> list(bool with_removed) {
    ASSIGN_OR_CO_RETURN(const std::vector<ports::InstanceRow> rows, co_await store_.list(with_removed));
    v1::ListInstancesResponse reply;
    for (const ports::InstanceRow& row : rows) *reply.add_instances() = runtime::to_proto(row);
    co_return reply;
  }

  base::Task<absl::StatusOr<v1::GetInstanceResponse>> get(v1::GetInstanceRequest request) {
    CO_RETURN_IF_ERROR(check_instance_name(request.name()));
    std::string name = request.name();
    ASSIGN_OR_CO_RETURN(const ports::InstanceRow row, co_await store_.get(std::move(name)));
    v1::GetInstanceResponse reply;
    *reply.mutable_instance() = runtime::to_proto(row);
    ASSIGN_OR_CO_RETURN(const auto known, co_await store_.capabilities(row.id));
    if (known) *reply.mutable_capabilities() = runtime::to_proto(*known);
    co_return reply;
  }

  base::Task<absl::StatusOr<v1::ChangeInstanceResponse>> change(v1::ChangeInstanceRequest request) {
    ASSIGN_OR_CO_RETURN(ports::InstanceChange wanted, to_change(request));
    std::string name = request.name();
    const auto row = co_await store_.change(std::move(name), std::move(wanted));
    co_return changed<v1::ChangeInstanceResponse>(row);
  }

  base::Task<absl::StatusOr<v1::EnableInstanceResponse>> enable(v1::EnableInstanceRequest request) {
    CO_RETURN_IF_ERROR(check_instance_name(request.name()));
    std::string name = request.name();
    const auto row = co_await store_.set_enabled(std::move(name), true);
    co_return changed<v1::EnableInstanceResponse>(row);
  }

  base::Task<absl::StatusOr<v1::DisableInstanceResponse>> disable(v1::DisableInstanceRequest request) {
    CO_RETURN_IF_ERROR(check_instance_name(request.name()));
    std::string name = request.name();
    const auto row = co_await store_.set_enabled(std::move(name), false);
    co_return changed<v1::DisableInstanceResponse>(row);
  }

  base::Task<absl::StatusOr<v1::ReleaseInstanceResponse>> release(v1::ReleaseInstanceRequest request) {
    CO_RETURN_IF_ERROR(check_instance_name(request.name()));
    std::string name = request.name();
    const auto row = co_await store_.release(std::move(name));
    co_return changed<v1::ReleaseInstanceResponse>(row);
  }

  base::Task<absl::StatusOr<v1::DrainInstanceResponse>> drain(v1::DrainInstanceRequest request) {
    CO_RETURN_IF_ERROR(check_instance_name(request.name()));
    std::string name = request.name();
    const auto row = co_await store_.set_draining(std::move(name), true);
    co_return changed<v1::DrainInstanceResponse>(row);
  }

  base::Task<absl::StatusOr<v1::UndrainInstanceResponse>> undrain(v1::UndrainInstanceRequest request) {
    CO_RETURN_IF_ERROR(check_instance_name(request.name()));
    std::string name = request.name();
    const auto row = co_await store_.set_draining(std::move(name), false);
    co_return changed<v1::UndrainInstanceResponse>(row);
  }

  base::Task<absl::StatusOr<v1::RemoveInstanceResponse>> remove(v1::RemoveInstanceRequest request) {
    CO_RETURN_IF_ERROR(check_instance_name(request.name()));
    std::string name = request.name();
    const auto row = co_await store_.remove(std::move(name));
    co_return changed<v1::RemoveInstanceResponse>(row);
  }

  std::shared_ptr<runtime::ServerCore> core_;
  ports::InstanceStore& store_;
  ports::Hints& hints_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_instance_service(std::shared_ptr<runtime::ServerCore> core,
                                                     ports::InstanceStore& store, ports::Hints& hints) {
  return std::make_unique<InstanceGrpc>(std::move(core), store, hints);
}

}  // namespace renderyard::bridge
