#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/testing/fake_database.h"
#include "libs/common/testing/fake_text.h"

namespace renderyard::testing {

namespace {

absl::Status check_optional_text(std::string_view column, const std::optional<std::string>& value) {
  return value ? check_text(column, *value) : absl::OkStatus();
}

absl::Status check_optional_json(std::string_view column, const std::optional<std::string>& value) {
  return value ? check_json(column, *value) : absl::OkStatus();
}

absl::Status check_error(const std::optional<ports::JobError>& error) {
  if (!error) return absl::OkStatus();
  RETURN_IF_ERROR(check_text("error_code", error->code));
  RETURN_IF_ERROR(check_text("error_message", error->message));
  RETURN_IF_ERROR(check_text("error_details.node_id", error->node_id));
  return check_text("error_details.node_class", error->node_class);
}

// Texts of a job change at its birth and at its end only; looking at megabytes of workflow at every step would be slow.
absl::Status check_texts(const JobRecord& job, bool born) {
  if (born) {
    RETURN_IF_ERROR(check_text("job_type", job.row.job_type));
    if (job.row.job_type.empty() || job.row.job_type.size() > 255) return absl::InvalidArgumentError("jobs: job_type");
    if (std::abs(job.row.priority) > 1000) return absl::InvalidArgumentError("jobs: priority");
    RETURN_IF_ERROR(check_text("workflow", job.row.workflow));
    RETURN_IF_ERROR(check_json_object("parameters", job.row.parameters_json));
    RETURN_IF_ERROR(check_text("needs_key", job.needs_key));
    RETURN_IF_ERROR(check_optional_text("name", job.row.name));
    if (job.row.metadata_json) RETURN_IF_ERROR(check_json_object("metadata", *job.row.metadata_json));
  }
  RETURN_IF_ERROR(check_optional_json("result", job.row.result_json));
  return check_error(job.row.error);
}

absl::Status check_texts(const ports::ExecutionRow& row) {
  RETURN_IF_ERROR(check_optional_text("comfyui_prompt_id", row.comfyui_prompt_id));
  RETURN_IF_ERROR(check_optional_text("client_id", row.client_id));
  RETURN_IF_ERROR(check_optional_text("outcome_proof", row.outcome_proof));
  RETURN_IF_ERROR(check_optional_text("heard_end", row.heard_end));
  RETURN_IF_ERROR(check_optional_json("heard_outputs", row.heard_outputs));
  RETURN_IF_ERROR(check_optional_text("current_node", row.current_node));
  return check_error(row.error);
}

bool in_percent(int value) {
  return value >= 0 && value <= 100;
}

std::string broken_job_check(const ports::JobRow& row) {
  if (row.status == ports::JobStatus::kRetrying) return "jobs: status retrying";
  if (domain::is_final(row.status) != row.completed_at.has_value()) return "jobs: final <=> completed_at";
  const bool has_run = row.status == ports::JobStatus::kRunning || row.status == ports::JobStatus::kCompleted;
  if (has_run && !(row.execution_id && row.started_at)) return "jobs: running or completed without execution or start";
  if (row.claimed_at.has_value() != row.execution_id.has_value()) return "jobs: claimed <=> execution_id";
  if (row.status == ports::JobStatus::kPending && row.started_at) return "jobs: pending but started";
  if ((row.status == ports::JobStatus::kFailed) != row.error.has_value()) return "jobs: failed <=> error";
  if (!in_percent(row.progress_percent)) return "jobs: progress_percent";
  if (!is_canonical_uuid(row.uid)) return "jobs: uid";
  return "";
}

std::string broken_execution_check(const ports::ExecutionRow& row) {
  const bool sent_nothing =
      row.state == ports::ExecutionState::kAssigned || row.state == ports::ExecutionState::kWithdrawn;
  if (!sent_nothing && !(row.client_id && row.owner_epoch && row.submitted_at)) return "executions: posted by nobody";
  const bool is_final = domain::is_final(row.state);
  const bool is_collecting = row.state == ports::ExecutionState::kCollecting;
  if (is_final != row.completed_at.has_value()) return "executions: final <=> completed_at";
  if ((is_final || is_collecting) != row.ended_at.has_value()) return "executions: ended <=> ended_at";
  const bool has_run =
      is_collecting || row.state == ports::ExecutionState::kRunning || row.state == ports::ExecutionState::kCompleted;
  if (has_run && !row.started_at) return "executions: running without a start";
  if (row.heard_end && *row.heard_end != "success" && *row.heard_end != "error" && *row.heard_end != "interrupted") {
    return "executions: heard_end";
  }
  if (row.settled_at && !is_final) return "executions: settled but not final";
  if (!in_percent(row.progress_percent)) return "executions: progress_percent";
  if (!is_canonical_uuid(row.client_prompt_id)) return "executions: client_prompt_id";
  return "";
}

// The name of the unique index that two different rows break together; empty when none.
std::string broken_unique(const ports::ExecutionRow& a, const ports::ExecutionRow& b) {
  if (a.client_prompt_id == b.client_prompt_id) return "client_prompt_id";
  if (a.job_id == b.job_id) {
    if (a.attempt == b.attempt) return "(job, attempt)";
    if (!domain::is_final(a.state) && !domain::is_final(b.state)) return "one live execution per job";
  }
  if (a.instance_id == b.instance_id) {
    if (a.slot_no == b.slot_no && domain::holds_slot(a.state) && domain::holds_slot(b.state)) return "(instance, slot)";
    if (a.comfyui_prompt_id && a.comfyui_prompt_id == b.comfyui_prompt_id) return "(instance, comfyui_prompt_id)";
  }
  return "";
}

}  // namespace

Transaction::Transaction(FakeDatabase& database, Kind kind) : database_(database) {
  if (kind == Kind::kWrites) {
    id_ = database_.next_transaction_id_++;
    database_.running_.insert(*id_);
  }
}

Transaction::~Transaction() {
  rollback();
}

void Transaction::draw_event_ids(int count) {
  for (int i = 0; i < count; ++i) drawn_event_ids_.push_back(++database_.event_sequence_);
}

void Transaction::draw_job_id() {
  drawn_job_id_ = ports::JobId{++database_.job_sequence_};
}

ports::JobId Transaction::next_job_id() {
  if (!drawn_job_id_) draw_job_id();
  const ports::JobId id = *drawn_job_id_;
  drawn_job_id_.reset();
  return id;
}

ports::ExecutionId Transaction::draw_execution_id() {
  return ports::ExecutionId{++database_.execution_sequence_};
}
ports::InstanceId Transaction::draw_instance_id() {
  return ports::InstanceId{++database_.instance_sequence_};
}

template <class Key, class Row>
void Transaction::assign(std::map<Key, Row>& table, const Key& key, Row row) {
  const auto it = table.find(key);
  if (it == table.end()) {
    undo_.push_back([&table, key] { table.erase(key); });
    table.emplace(key, std::move(row));
    return;
  }
  undo_.push_back([&table, key, old = std::move(it->second)]() mutable { table.find(key)->second = std::move(old); });
  it->second = std::move(row);
}

absl::Status Transaction::put(const JobRecord& job, domain::Owner by) {
  const JobRecord* old = database_.job(job.row.id);
  RETURN_IF_ERROR(check_texts(job, old == nullptr));
  const std::string broken = broken_job_check(job.row);
  if (!broken.empty()) return database_.defect(absl::StrCat("job ", job.row.id.value, ": ", broken));
  if (old == nullptr) {
    if (by != domain::Owner::kGateway || job.row.status != ports::JobStatus::kPending) {
      return database_.defect(absl::StrCat("job ", job.row.id.value, ": born by the wrong service or not pending"));
    }
    for (const auto& [id, other] : tables().jobs) {
      if (other.row.uid == job.row.uid) return absl::AlreadyExistsError("jobs: uid");
    }
    if (!tables().users.contains(job.row.submitted_by)) return database_.defect("jobs: submitted_by is no user");
  } else if (old->row.status != job.row.status && !domain::allowed(old->row.status, job.row.status, by)) {
    return database_.defect(absl::StrCat("job ", job.row.id.value, ": illegal edge ",
                                         base::to_absl(domain::to_string(old->row.status)), " -> ",
                                         base::to_absl(domain::to_string(job.row.status))));
  }
  if (job.row.execution_id && database_.execution(*job.row.execution_id) == nullptr) {
    return database_.defect("jobs: execution_id is no execution");
  }
  assign(database_.tables_.jobs, job.row.id, job);
  return absl::OkStatus();
}

absl::Status Transaction::put(const ExecutionRecord& execution, domain::Owner by) {
  const ports::ExecutionRow& row = execution.row;
  const ExecutionRecord* old = database_.execution(row.id);
  RETURN_IF_ERROR(check_texts(row));
  RETURN_IF_ERROR(check_optional_json("result", execution.result_json));
  const std::string broken = broken_execution_check(row);
  if (!broken.empty()) return database_.defect(absl::StrCat("execution ", row.id.value, ": ", broken));
  if (old == nullptr) {
    if (by != domain::Owner::kDispatcher || row.state != ports::ExecutionState::kAssigned) {
      return database_.defect(absl::StrCat("execution ", row.id.value, ": born by the wrong service or not assigned"));
    }
    if (database_.job(row.job_id) == nullptr || database_.instance(row.instance_id) == nullptr) {
      return database_.defect("executions: no such job or instance");
    }
  } else if (old->row.state != row.state && !domain::allowed(old->row.state, row.state, by)) {
    return database_.defect(absl::StrCat("execution ", row.id.value, ": illegal edge ",
                                         base::to_absl(domain::to_string(old->row.state)), " -> ",
                                         base::to_absl(domain::to_string(row.state))));
  }
  for (const auto& [id, other] : tables().executions) {
    if (id == row.id) continue;
    const std::string unique = broken_unique(row, other.row);
    if (!unique.empty()) return absl::AlreadyExistsError(absl::StrCat("executions: ", unique));
  }
  assign(database_.tables_.executions, row.id, execution);
  return absl::OkStatus();
}

absl::Status Transaction::put(const InstanceRecord& instance) {
  const ports::InstanceRow& row = instance.row;
  RETURN_IF_ERROR(check_text("name", row.name));
  RETURN_IF_ERROR(check_text("api_url", row.api_url));
  RETURN_IF_ERROR(check_text("ws_url", row.ws_url));
  RETURN_IF_ERROR(check_optional_text("status_reason", row.status_reason));
  RETURN_IF_ERROR(check_optional_text("witness_prompt_id", instance.witness_prompt_id));
  if (row.name.empty() || row.name.size() > 255) return absl::InvalidArgumentError("instances: name");
  for (const ports::SecretHeader& header : instance.headers) {
    RETURN_IF_ERROR(check_text("access", header.name));
    RETURN_IF_ERROR(check_text("access", header.value));
  }
  if (row.slots < 1 || row.slots > 64) return absl::InvalidArgumentError("instances: slots");
  for (const auto& [id, other] : tables().instances) {
    if (id == row.id || row.removed_at || other.row.removed_at) continue;
    if (other.row.name == row.name) return absl::AlreadyExistsError("instances: the name is in use");
    if (other.row.api_url == row.api_url) return absl::AlreadyExistsError("instances: the URL is in use");
  }
  assign(database_.tables_.instances, row.id, instance);
  return absl::OkStatus();
}

absl::Status Transaction::put(const ports::OutputRow& output) {
  for (const auto& [column, value] : {std::pair<std::string_view, const std::string&>("node_id", output.node_id),
                                      {"kind", output.kind},
                                      {"filename", output.filename},
                                      {"content_type", output.content_type}}) {
    RETURN_IF_ERROR(check_text(column, value));
  }
  if (output.n < 0 || output.size_bytes < 0 || !is_sha256_hex(output.sha256)) {
    return database_.defect(absl::StrCat("outputs of execution ", output.execution_id.value, ": n, size or sha256"));
  }
  const OutputKey key(output.execution_id, output.n);
  if (tables().outputs.contains(key)) return absl::AlreadyExistsError("outputs: (execution, n)");
  assign(database_.tables_.outputs, key, output);
  assign(database_.tables_.blobs, output.sha256, output.size_bytes);
  return absl::OkStatus();
}

void Transaction::put(ports::InstanceId instance, const LeaseRecord& lease) {
  assign(database_.tables_.leases, instance, lease);
}

void Transaction::put(ports::UserId user, const std::string& key, const IdempotencyRecord& record) {
  assign(database_.tables_.idempotency_keys, std::pair(user, key), record);
}

void Transaction::set_slot(const SlotKey& slot, std::optional<ports::ExecutionId> execution) {
  assign(database_.tables_.slots, slot, execution);
}

void Transaction::drop_slot(const SlotKey& slot) {
  auto node = database_.tables_.slots.extract(slot);
  if (node.empty()) return;
  undo_.emplace_back([this, slot, before = node.mapped()] { database_.tables_.slots[slot] = before; });
}

void Transaction::free_slot_of(const ports::ExecutionRow& execution) {
  const SlotKey key(execution.instance_id, execution.slot_no);
  const auto it = tables().slots.find(key);
  if (it != tables().slots.end() && it->second == execution.id) set_slot(key, std::nullopt);
}

void Transaction::set_waiting_reason(std::string reason) {
  undo_.push_back([&table = database_.tables_.waiting_reason, old = database_.tables_.waiting_reason]() mutable {
    table = std::move(old);
  });
  database_.tables_.waiting_reason = std::move(reason);
}

absl::Status Transaction::record(ports::OperatorRecord action, const std::optional<ports::OperatorNote>& note) {
  RETURN_IF_ERROR(check_text("who", action.who));
  RETURN_IF_ERROR(check_text("why", action.why));
  if (!domain::check_operator(action.who, action.why).ok()) return database_.defect("operator_actions: who or why");
  action.id = static_cast<std::int64_t>(tables().operator_actions.size()) + 1;
  if (note) assign(database_.tables_.operator_notes, *action.job_id, *note);
  assign(database_.tables_.operator_actions, action.id, std::move(action));
  return absl::OkStatus();
}

absl::Status Transaction::write_event(JobRecord& job, std::string_view type,
                                      std::optional<ports::ExecutionId> execution, std::string data_json) {
  RETURN_IF_ERROR(check_json_object("job_events.data", data_json));
  // A number drawn before another transaction wrote to this job cannot be used: in PostgreSQL the row lock would have
  // made this transaction wait before it drew one. It stays a hole.
  while (!drawn_event_ids_.empty() && drawn_event_ids_.front() <= job.last_event_id) drawn_event_ids_.pop_front();
  if (drawn_event_ids_.empty()) draw_event_ids(1);
  ports::JobEvent event;
  event.id = drawn_event_ids_.front();
  drawn_event_ids_.pop_front();
  event.job_id = job.row.id;
  event.seq = ++job.row.event_seq;
  event.user_id = job.row.submitted_by;
  event.type = std::string(type);
  event.execution_id = execution;
  event.data_json = std::move(data_json);
  event.created_at = now();
  job.last_event_id = event.id;
  assign(database_.tables_.events, event.id, event);
  return absl::OkStatus();
}

void Transaction::commit() {
  undo_.clear();
  end();
}

void Transaction::rollback() {
  if (!open_) return;
  while (!undo_.empty()) {
    undo_.back()();
    undo_.pop_back();
  }
  end();
}

void Transaction::end() {
  open_ = false;
  if (id_) database_.running_.erase(*id_);
}

}  // namespace renderyard::testing
