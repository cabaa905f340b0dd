#include "services/bridge/event_grpc.h"

#include <google/protobuf/timestamp.pb.h>

#include <string>
#include <variant>

#include "libs/common/runtime/grpc/conversions.h"

namespace renderyard::bridge {

namespace {

void set_time(absl::Time time, google::protobuf::Timestamp& message) {
  const timespec spec = absl::ToTimespec(time);
  message.set_seconds(spec.tv_sec);
  message.set_nanos(static_cast<std::int32_t>(spec.tv_nsec));
}

void fill(const ports::ExecutionRef& ref, v1::ExecutionRef& message) {
  message.set_job_id(ref.job_id.value);
  message.set_user_id(ref.user_id.value);
  message.set_execution_id(ref.execution_id.value);
  message.set_owner_epoch(ref.owner_epoch.value);
  message.set_instance_id(ref.instance_id.value);
  message.set_prompt_id(ref.prompt_id);
}

void fill(const ports::InstanceNews& news, v1::BridgeServiceWatchEventsResponse& reply) {
  v1::InstanceNews& message = *reply.mutable_instance();
  message.set_instance_id(news.id.value);
  message.set_owner_epoch(news.owner_epoch.value);
  message.set_status(std::string(domain::to_string(news.status)));
  message.set_reconnect_attempts(news.reconnect_attempts);
  message.set_reason(news.reason);
  set_time(news.at, *message.mutable_at());
}

void fill(const ports::ProgressNews& news, v1::BridgeServiceWatchEventsResponse& reply) {
  v1::ProgressNews& message = *reply.mutable_progress();
  *message.mutable_progress() = runtime::to_proto(news.progress);
  message.set_prompt_id(news.prompt_id);
}

void fill(const ports::NodeStarted& node, v1::BridgeServiceWatchEventsResponse& reply) {
  v1::NodeStarted& message = *reply.mutable_node_started();
  fill(node.execution, *message.mutable_execution());
  message.set_node_id(node.node_id);
  message.set_node_class(node.node_class);
  message.set_node_title(node.node_title);
  set_time(node.at, *message.mutable_at());
}

void fill(const ports::ExecutionEnded& end, v1::BridgeServiceWatchEventsResponse& reply) {
  v1::ExecutionEnded& message = *reply.mutable_ended();
  fill(end.execution, *message.mutable_execution());
  message.set_state(std::string(domain::to_string(end.state)));
  if (end.error) {
    v1::ExecutionError& error = *message.mutable_error();
    error.set_code(end.error->code);
    error.set_message(end.error->message);
    error.set_node_id(end.error->node_id);
    error.set_node_class(end.error->node_class);
  }
  for (const ports::OutputRow& output : end.outputs) {
    v1::ExecutionOutput& one = *message.add_outputs();
    one.set_n(output.n);
    one.set_node_id(output.node_id);
    one.set_kind(output.kind);
    one.set_filename(output.filename);
    one.set_content_type(output.content_type);
    one.set_size_bytes(output.size_bytes);
    one.set_sha256(output.sha256);
  }
  set_time(end.at, *message.mutable_at());
}

void fill(const ports::Preview& preview, v1::BridgeServiceWatchEventsResponse& reply) {
  v1::Preview& message = *reply.mutable_preview();
  fill(preview.execution, *message.mutable_execution());
  message.set_node_id(preview.node_id);
  message.set_content_type(preview.content_type);
  message.set_image(*preview.image);
  set_time(preview.at, *message.mutable_at());
}

}  // namespace

v1::BridgeServiceWatchEventsResponse to_proto(const ports::BridgeEvent& event) {
  v1::BridgeServiceWatchEventsResponse reply;
  std::visit([&reply](const auto& what) { fill(what, reply); }, event);
  return reply;
}

}  // namespace renderyard::bridge
