#include "cli/instance_commands.h"

#include <absl/status/status.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/client_context.h>

#include <cstdio>
#include <iostream>
#include <utility>

#include "cli/access_file.h"
#include "renderyard/v1/instance.grpc.pb.h"
#include "renderyard/v1/instance.pb.h"

namespace renderyard::cli {

namespace {

int fail(const ServicePeer& bridge, const grpc::Status& status) {
  std::cerr << "renderyard: ";
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE)
    std::cerr << "no bridge answers at " << bridge.address << ": ";
  std::cerr << status.error_message() << "\n";
  return 1;
}

int fail(const absl::Status& status) {
  std::cerr << "renderyard: " << status.message() << "\n";
  return 1;
}

const char* service_of(const v1::Instance& instance) {
  if (instance.has_removed_at()) return "removed";
  if (!instance.enabled()) return "disabled";
  return instance.draining() ? "draining" : "enabled";
}

// Why it gets no work although it is connected, or why not now; empty when it does.
std::string unfit(const v1::Instance& instance) {
  std::string text;
  if (instance.has_quarantined_at()) {
    text = "  in quarantine (" + instance.quarantine_reason() + ", execution " +
           std::to_string(instance.quarantined_by_execution_id()) + ")";
  }
  if (instance.has_circuit_open_until()) {
    text += "  circuit open until " + google::protobuf::util::TimeUtil::ToString(instance.circuit_open_until());
  }
  if (instance.circuit_faults() > 0) {
    text += "  " + std::to_string(instance.circuit_faults()) + " faults in a row, last: " + instance.circuit_reason();
  }
  return text;
}

void print(const v1::Instance& instance) {
  std::printf("%-20s %-13s %-8s %2d  %s%s%s%s\n", instance.name().c_str(), instance.status().c_str(),
              service_of(instance), instance.slots(), instance.api_url().c_str(),
              instance.status_reason().empty() ? "" : "  ", instance.status_reason().c_str(), unfit(instance).c_str());
}

// One call with a deadline. The exit code: 0, or it has been said why not.
template <class Request, class Response, class Call>
int ask(const ServicePeer& bridge, const Request& request, Response& response, Call call) {
  const absl::StatusOr<PeerChannel> peer = PeerChannel::open(bridge);
  if (!peer.ok()) return fail(peer.status());
  grpc::ClientContext context;
  peer->prepare(context);
  const auto stub = v1::InstanceService::NewStub(peer->channel());
  const grpc::Status status = ((*stub).*call)(&context, request, &response);
  return status.ok() ? 0 : fail(bridge, status);
}

template <class Request, class Response, class Call>
int call_and_print(const ServicePeer& bridge, const Request& request, Call call) {
  Response response;
  const int code = ask(bridge, request, response, call);
  if (code == 0) print(response.instance());
  return code;
}

template <class Request, class Response, class Call>
int act(const ServicePeer& bridge, const std::string& name, Call call) {
  Request request;
  request.set_name(name);
  return call_and_print<Request, Response>(bridge, request, call);
}

// What add and change say in the same words.
template <class Request>
absl::Status fill(const InstanceSettings& settings, Request& request) {
  if (settings.url) request.set_api_url(*settings.url);
  if (settings.slots) request.set_slots(*settings.slots);
  if (settings.no_access) request.mutable_access();
  if (settings.access_file) {
    absl::StatusOr<v1::InstanceAccess> access = read_access_file(*settings.access_file);
    if (!access.ok()) return access.status();
    *request.mutable_access() = *std::move(access);
  }
  if (settings.behind_proxy) request.set_behind_proxy(*settings.behind_proxy == "yes");
  if (settings.unique_prefix) request.set_unique_prefix(*settings.unique_prefix == "yes");
  if (settings.shared) request.set_shared_instance(*settings.shared == "yes");
  return absl::OkStatus();
}

const char* yes_no(bool value) {
  return value ? "yes" : "no";
}

}  // namespace

int add_instance(const ServicePeer& bridge, const std::string& name, const InstanceSettings& settings) {
  v1::AddInstanceRequest request;
  request.set_name(name);
  const absl::Status filled = fill(settings, request);
  if (!filled.ok()) return fail(filled);
  return call_and_print<v1::AddInstanceRequest, v1::AddInstanceResponse>(bridge, request,
                                                                         &v1::InstanceService::Stub::AddInstance);
}

int change_instance(const ServicePeer& bridge, const std::string& name, const InstanceSettings& settings) {
  v1::ChangeInstanceRequest request;
  request.set_name(name);
  const absl::Status filled = fill(settings, request);
  if (!filled.ok()) return fail(filled);
  return call_and_print<v1::ChangeInstanceRequest, v1::ChangeInstanceResponse>(
      bridge, request, &v1::InstanceService::Stub::ChangeInstance);
}

int list_instances(const ServicePeer& bridge, bool with_removed) {
  v1::ListInstancesRequest request;
  request.set_with_removed(with_removed);
  v1::ListInstancesResponse response;
  if (const int code = ask(bridge, request, response, &v1::InstanceService::Stub::ListInstances); code != 0)
    return code;
  for (const v1::Instance& instance : response.instances()) print(instance);
  return 0;
}

int show_instance(const ServicePeer& bridge, const std::string& name) {
  v1::GetInstanceRequest request;
  request.set_name(name);
  v1::GetInstanceResponse response;
  if (const int code = ask(bridge, request, response, &v1::InstanceService::Stub::GetInstance); code != 0) return code;
  const v1::Instance& instance = response.instance();
  print(instance);
  std::string headers;
  for (const std::string& header : instance.access_headers()) headers += (headers.empty() ? "" : ", ") + header;
  const v1::InstanceCapabilities& has = response.capabilities();
  std::int64_t models = 0;
  for (const v1::ModelList& list : has.model_lists()) models += list.models_size();
  std::printf("ComfyUI            %s\n", has.comfyui_version().empty() ? "unknown" : has.comfyui_version().c_str());
  for (const v1::ComfyDevice& device : has.devices()) {
    std::printf("device             %s, %.1f GiB\n", device.name().c_str(),
                static_cast<double>(device.vram_total()) / (1024.0 * 1024.0 * 1024.0));
  }
  if (response.has_capabilities()) {
    std::printf("node classes       %d%s\n", has.node_classes_size(), has.complete() ? "" : " and more");
    std::printf("models             %lld%s\n", static_cast<long long>(models), has.complete() ? "" : " and more");
  }
  std::printf("id                 %lld\n", static_cast<long long>(instance.id()));
  std::printf("live executions    %d\n", instance.live_executions());
  std::printf("lease              %s\n", instance.lease_owner().empty() ? "none" : instance.lease_owner().c_str());
  std::printf("failed attempts    %d\n", instance.reconnect_attempts());
  std::printf("access headers     %s\n", headers.empty() ? "none" : headers.c_str());
  std::printf("behind a proxy     %s\n", yes_no(instance.behind_proxy()));
  std::printf("unique prefix      %s\n", yes_no(instance.unique_prefix()));
  std::printf("shared             %s\n", yes_no(instance.shared_instance()));
  return 0;
}

int act_on_instance(const ServicePeer& bridge, const std::string& name, InstanceAction action) {
  using Stub = v1::InstanceService::Stub;
  switch (action) {
    case InstanceAction::kEnable:
      return act<v1::EnableInstanceRequest, v1::EnableInstanceResponse>(bridge, name, &Stub::EnableInstance);
    case InstanceAction::kDisable:
      return act<v1::DisableInstanceRequest, v1::DisableInstanceResponse>(bridge, name, &Stub::DisableInstance);
    case InstanceAction::kDrain:
      return act<v1::DrainInstanceRequest, v1::DrainInstanceResponse>(bridge, name, &Stub::DrainInstance);
    case InstanceAction::kUndrain:
      return act<v1::UndrainInstanceRequest, v1::UndrainInstanceResponse>(bridge, name, &Stub::UndrainInstance);
    case InstanceAction::kRemove:
      return act<v1::RemoveInstanceRequest, v1::RemoveInstanceResponse>(bridge, name, &Stub::RemoveInstance);
    case InstanceAction::kRelease:
      return act<v1::ReleaseInstanceRequest, v1::ReleaseInstanceResponse>(bridge, name, &Stub::ReleaseInstance);
  }
  return 1;
}

}  // namespace renderyard::cli
