#include "libs/common/adapters/postgres/rows.h"

#include <absl/strings/str_split.h>

#include <stdexcept>

namespace renderyard::postgres {

namespace {

template <class T>
T known(std::optional<T> value, const char* what) {
  if (!value) throw std::runtime_error(std::string("the database has an unknown ") + what);
  return *value;
}

}  // namespace

std::optional<ports::JobError> read_error(Reader& reader) {
  auto code = reader.maybe_text();
  ports::JobError error;
  error.message = reader.maybe_text().value_or("");
  error.node_id = reader.maybe_text().value_or("");
  error.node_class = reader.maybe_text().value_or("");
  if (!code) return std::nullopt;
  error.code = *std::move(code);
  return error;
}

ports::ExecutionRow read_execution(Reader& reader) {
  ports::ExecutionRow row;
  row.id = reader.id<ports::ExecutionId>();
  row.instance_id = reader.id<ports::InstanceId>();
  row.job_id = reader.id<ports::JobId>();
  row.user_id = reader.id<ports::UserId>();
  row.attempt = reader.small();
  row.slot_no = reader.small();
  row.state = known(domain::execution_state_from(reader.text()), "execution status");
  row.client_prompt_id = reader.text();
  row.comfyui_prompt_id = reader.maybe_text();
  row.client_id = reader.maybe_text();
  row.owner_epoch = reader.maybe_id<ports::Epoch>();
  row.outcome_proof = reader.maybe_text();
  row.cancel_requested_at = reader.maybe_time();
  row.heard_end = reader.maybe_text();
  row.heard_outputs = reader.maybe_text();
  row.heard_whole = reader.boolean();
  row.prompt_ended_at = reader.maybe_unix_ms();
  row.witness_prompt_id = reader.maybe_text();
  row.progress_percent = reader.small();
  row.current_node = reader.maybe_text();
  row.error = read_error(reader);
  row.adoptions = reader.small();
  row.assigned_at = reader.time();
  row.submitted_at = reader.maybe_time();
  row.accepted_at = reader.maybe_time();
  row.started_at = reader.maybe_time();
  row.ended_at = reader.maybe_time();
  row.completed_at = reader.maybe_time();
  row.settled_at = reader.maybe_time();
  row.last_sign_at = reader.maybe_time();
  row.limit_passed = reader.maybe_text();
  row.read_at = reader.time();
  row.adoption_run = reader.small();
  row.stray_seen_at = reader.maybe_time();
  row.stray_outcome = reader.maybe_text();
  row.given_up_at = reader.maybe_time();
  return row;
}

ports::InstanceRow read_instance(Reader& reader) {
  ports::InstanceRow row;
  row.id = reader.id<ports::InstanceId>();
  row.name = reader.text();
  row.api_url = reader.text();
  row.ws_url = reader.text();
  row.status = known(domain::instance_status_from(reader.text()), "instance status");
  row.is_enabled = reader.boolean();
  row.slots = reader.small();
  row.reconnect_attempts = reader.small();
  row.status_reason = reader.maybe_text();
  row.last_connected_at = reader.maybe_time();
  row.last_disconnected_at = reader.maybe_time();
  row.removed_at = reader.maybe_time();
  row.lease_owner = reader.maybe_text();
  row.witness_prompt_id = reader.maybe_text();
  row.is_draining = reader.boolean();
  row.behind_proxy = reader.boolean();
  row.unique_prefix = reader.boolean();
  row.shared_instance = reader.boolean();
  row.config_version = reader.number();
  row.has_access = reader.boolean();
  row.quarantined_at = reader.maybe_time();
  if (const auto reason = reader.maybe_text()) {
    row.quarantine = known(domain::quarantine_from(*reason), "quarantine reason");
  }
  row.quarantined_by = reader.maybe_id<ports::ExecutionId>();
  row.circuit.faults = reader.small();
  row.circuit.openings = reader.small();
  row.circuit.open_until = reader.maybe_time();
  row.circuit.last_job = reader.maybe_id<ports::JobId>().value_or(ports::JobId{});
  row.circuit.reason = reader.maybe_text().value_or("");
  row.circuit_version = reader.small();
  // No header's name has a comma.
  if (const auto names = reader.maybe_text()) row.header_names = absl::StrSplit(*names, ',');
  row.live_executions = reader.small();
  return row;
}

ports::JobEvent read_event(Reader& reader) {
  ports::JobEvent event;
  event.id = reader.number();
  event.job_id = reader.id<ports::JobId>();
  event.seq = reader.small();
  event.user_id = reader.id<ports::UserId>();
  event.type = reader.text();
  event.execution_id = reader.maybe_id<ports::ExecutionId>();
  event.data_json = reader.text();
  event.created_at = reader.time();
  return event;
}

}  // namespace renderyard::postgres
