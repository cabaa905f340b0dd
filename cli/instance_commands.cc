#include "cli/instance_commands.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>

#include "renderyard/v1/instance.grpc.pb.h"
#include "renderyard/v1/instance.pb.h"

namespace renderyard::cli {

namespace {

constexpr auto kDeadline = std::chrono::seconds(10);

// The bridge's port is bound to loopback unless it has TLS; this tool speaks to it from the same machine.
std::unique_ptr<v1::InstanceService::Stub> stub(const std::string& bridge) {
  return v1::InstanceService::NewStub(grpc::CreateChannel(bridge, grpc::InsecureChannelCredentials()));
}

int fail(const std::string& bridge, const grpc::Status& status) {
  std::cerr << "renderyard: ";
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) std::cerr << "no bridge answers at " << bridge << ": ";
  std::cerr << status.error_message() << "\n";
  return 1;
}

void print(const v1::Instance& instance) {
  std::printf("%-20s %-13s %-8s %2d  %s%s%s\n", instance.name().c_str(), instance.status().c_str(),
              instance.enabled() ? "enabled" : "disabled", instance.slots(), instance.api_url().c_str(),
              instance.status_reason().empty() ? "" : "  ", instance.status_reason().c_str());
}

}  // namespace

int add_instance(const std::string& bridge, const std::string& name, const std::string& url, int slots) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  v1::AddInstanceRequest request;
  request.set_name(name);
  request.set_api_url(url);
  request.set_slots(slots);
  v1::AddInstanceResponse response;
  const grpc::Status status = stub(bridge)->AddInstance(&context, request, &response);
  if (!status.ok()) return fail(bridge, status);
  print(response.instance());
  return 0;
}

int list_instances(const std::string& bridge) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  v1::ListInstancesResponse response;
  const grpc::Status status = stub(bridge)->ListInstances(&context, v1::ListInstancesRequest(), &response);
  if (!status.ok()) return fail(bridge, status);
  for (const v1::Instance& instance : response.instances()) print(instance);
  return 0;
}

int disable_instance(const std::string& bridge, const std::string& name) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  v1::DisableInstanceRequest request;
  request.set_name(name);
  v1::DisableInstanceResponse response;
  const grpc::Status status = stub(bridge)->DisableInstance(&context, request, &response);
  if (!status.ok()) return fail(bridge, status);
  print(response.instance());
  return 0;
}

}  // namespace renderyard::cli
