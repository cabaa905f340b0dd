#include "libs/common/runtime/grpc/conversions.h"

#include <google/protobuf/timestamp.pb.h>

#include <string>

namespace renderyard::runtime {

namespace {

absl::Time time_of(const google::protobuf::Timestamp& message) {
  return absl::FromUnixSeconds(message.seconds()) + absl::Nanoseconds(message.nanos());
}

}  // namespace

void set_time(absl::Time time, google::protobuf::Timestamp& message) {
  const timespec spec = absl::ToTimespec(time);
  message.set_seconds(spec.tv_sec);
  message.set_nanos(static_cast<std::int32_t>(spec.tv_nsec));
}

v1::JobEvent to_proto(const ports::JobEvent& event) {
  v1::JobEvent message;
  message.set_id(event.id);
  message.set_job_id(event.job_id.value);
  message.set_seq(event.seq);
  message.set_user_id(event.user_id.value);
  message.set_type(event.type);
  if (event.execution_id) message.set_execution_id(event.execution_id->value);
  message.set_data_json(event.data_json);
  set_time(event.created_at, *message.mutable_created_at());
  return message;
}

ports::JobEvent from_proto(const v1::JobEvent& message) {
  ports::JobEvent event;
  event.id = message.id();
  event.job_id = {message.job_id()};
  event.seq = message.seq();
  event.user_id = {message.user_id()};
  event.type = message.type();
  if (message.execution_id() != 0) event.execution_id = ports::ExecutionId{message.execution_id()};
  event.data_json = message.data_json();
  event.created_at = time_of(message.created_at());
  return event;
}

v1::Progress to_proto(const ports::Progress& progress) {
  v1::Progress message;
  message.set_job_id(progress.job_id.value);
  message.set_user_id(progress.user_id.value);
  message.set_execution_id(progress.execution_id.value);
  message.set_owner_epoch(progress.owner_epoch.value);
  message.set_instance_id(progress.instance_id.value);
  message.set_percent(progress.percent);
  message.set_current_node(progress.current_node);
  message.set_node_class(progress.node_class);
  message.set_node_title(progress.node_title);
  message.set_message(progress.message);
  set_time(progress.at, *message.mutable_at());
  if (progress.silent_since) set_time(*progress.silent_since, *message.mutable_silent_since());
  return message;
}

ports::Progress from_proto(const v1::Progress& message) {
  ports::Progress progress;
  progress.job_id = {message.job_id()};
  progress.user_id = {message.user_id()};
  progress.execution_id = {message.execution_id()};
  progress.owner_epoch = {message.owner_epoch()};
  progress.instance_id = {message.instance_id()};
  progress.percent = message.percent();
  progress.current_node = message.current_node();
  progress.node_class = message.node_class();
  progress.node_title = message.node_title();
  progress.message = message.message();
  progress.at = time_of(message.at());
  if (message.has_silent_since()) progress.silent_since = time_of(message.silent_since());
  return progress;
}

v1::WatchEventsResponse to_proto(const ports::EventBatch& batch) {
  v1::WatchEventsResponse message;
  message.set_epoch(batch.epoch);
  message.set_upto(batch.upto);
  for (const ports::JobEvent& event : batch.events) *message.add_events() = to_proto(event);
  return message;
}

ports::EventBatch from_proto(const v1::WatchEventsResponse& message) {
  ports::EventBatch batch;
  batch.epoch = message.epoch();
  batch.upto = message.upto();
  batch.events.reserve(static_cast<std::size_t>(message.events_size()));
  for (const v1::JobEvent& event : message.events()) batch.events.push_back(from_proto(event));
  return batch;
}

v1::Instance to_proto(const ports::InstanceRow& instance) {
  v1::Instance message;
  message.set_id(instance.id.value);
  message.set_name(instance.name);
  message.set_api_url(instance.api_url);
  message.set_status(std::string(domain::to_string(instance.status)));
  message.set_enabled(instance.is_enabled);
  message.set_slots(instance.slots);
  if (instance.status_reason) message.set_status_reason(*instance.status_reason);
  message.set_reconnect_attempts(instance.reconnect_attempts);
  if (instance.last_connected_at) set_time(*instance.last_connected_at, *message.mutable_last_connected_at());
  if (instance.lease_owner) message.set_lease_owner(*instance.lease_owner);
  message.set_draining(instance.is_draining);
  message.set_behind_proxy(instance.behind_proxy);
  message.set_unique_prefix(instance.unique_prefix);
  message.set_shared_instance(instance.shared_instance);
  for (const std::string& name : instance.header_names) message.add_access_headers(name);
  message.set_live_executions(instance.live_executions);
  if (instance.removed_at) set_time(*instance.removed_at, *message.mutable_removed_at());
  if (instance.quarantined_at) set_time(*instance.quarantined_at, *message.mutable_quarantined_at());
  if (instance.quarantine) message.set_quarantine_reason(std::string(domain::to_string(*instance.quarantine)));
  if (instance.quarantined_by) message.set_quarantined_by_execution_id(instance.quarantined_by->value);
  message.set_circuit_faults(instance.circuit.faults);
  if (instance.circuit.open_until) set_time(*instance.circuit.open_until, *message.mutable_circuit_open_until());
  message.set_circuit_reason(instance.circuit.reason);
  return message;
}

v1::InstanceCapabilities to_proto(const ports::KnownCapabilities& known) {
  v1::InstanceCapabilities message;
  for (const std::string& name : known.what.node_classes) message.add_node_classes(name);
  for (const std::vector<std::string>& list : known.what.model_lists) {
    v1::ModelList* const models = message.add_model_lists();
    for (const std::string& file : list) models->add_models(file);
  }
  for (const auto& [input, list] : known.what.model_inputs) {
    message.mutable_model_lists(static_cast<int>(list))->add_inputs(input);
  }
  message.set_complete(known.what.complete);
  message.set_comfyui_version(known.what.comfyui_version);
  for (const domain::ComfyDevice& device : known.what.devices) {
    v1::ComfyDevice* const one = message.add_devices();
    one->set_name(device.name);
    one->set_type(device.type);
    one->set_vram_total(device.vram_total);
  }
  message.set_digest(known.digest);
  set_time(known.read_at, *message.mutable_read_at());
  return message;
}

}  // namespace renderyard::runtime
