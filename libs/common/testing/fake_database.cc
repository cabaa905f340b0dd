#include "libs/common/testing/fake_database.h"

#include <algorithm>
#include <utility>

namespace renderyard::testing {

FakeDatabase::FakeDatabase(Clock clock, std::string cluster_epoch) : clock_(std::move(clock)) {
  tables_.meta.epoch = std::move(cluster_epoch);
}

ports::UserId FakeDatabase::add_user(std::string name, ports::Role role, std::string token_sha256) {
  ports::User user;
  user.id = ports::UserId{++user_sequence_};
  user.name = std::move(name);
  user.role = role;
  tables_.users.emplace(user.id, user);
  TokenRecord token;
  token.user = user.id;
  tables_.tokens.emplace(std::move(token_sha256), token);
  return user.id;
}

void FakeDatabase::revoke_token(const std::string& token_sha256) {
  if (auto it = tables_.tokens.find(token_sha256); it != tables_.tokens.end()) it->second.revoked = true;
}

void FakeDatabase::expire_lease(ports::InstanceId instance) {
  if (auto it = tables_.leases.find(instance); it != tables_.leases.end()) {
    it->second.expires_at = std::min(it->second.expires_at, now() - absl::Milliseconds(1));
  }
}

void FakeDatabase::end_pause(ports::JobId job) {
  if (auto it = tables_.jobs.find(job); it != tables_.jobs.end() && it->second.not_before) {
    it->second.not_before = std::min(*it->second.not_before, now());
  }
}

void FakeDatabase::end_wait(ports::JobId job) {
  if (auto it = tables_.jobs.find(job); it != tables_.jobs.end() && it->second.wait_until) {
    it->second.wait_until = std::min(*it->second.wait_until, now());
  }
}

void FakeDatabase::age_adoption(ports::ExecutionId execution) {
  if (auto it = tables_.executions.find(execution); it != tables_.executions.end() && it->second.adopted_at) {
    *it->second.adopted_at -= absl::Hours(1);
  }
}

void FakeDatabase::age_execution(ports::ExecutionId execution, absl::Duration by) {
  const auto it = tables_.executions.find(execution);
  if (it == tables_.executions.end()) return;
  ports::ExecutionRow& row = it->second.row;
  row.assigned_at -= by;
  for (auto* time : {&row.submitted_at, &row.accepted_at, &row.started_at, &row.last_sign_at}) {
    if (*time) **time -= by;
  }
}

absl::Status FakeDatabase::defect(std::string what) {
  defects_.push_back(what);
  return absl::InternalError(what);
}

const JobRecord* FakeDatabase::job(ports::JobId id) const {
  const auto it = tables_.jobs.find(id);
  return it == tables_.jobs.end() ? nullptr : &it->second;
}

const ExecutionRecord* FakeDatabase::execution(ports::ExecutionId id) const {
  const auto it = tables_.executions.find(id);
  return it == tables_.executions.end() ? nullptr : &it->second;
}

const InstanceRecord* FakeDatabase::instance(ports::InstanceId id) const {
  const auto it = tables_.instances.find(id);
  return it == tables_.instances.end() ? nullptr : &it->second;
}

const LeaseRecord* FakeDatabase::live_lease(ports::InstanceId instance) const {
  const auto it = tables_.leases.find(instance);
  return it != tables_.leases.end() && it->second.expires_at > now() ? &it->second : nullptr;
}

bool FakeDatabase::has_live_execution(ports::InstanceId instance) const {
  return std::any_of(tables_.executions.begin(), tables_.executions.end(), [&](const auto& entry) {
    return entry.second.row.instance_id == instance && !domain::is_final(entry.second.row.state);
  });
}

ports::JobRow FakeDatabase::view(const JobRecord& job) const {
  ports::JobRow row = job.row;
  // Progress is written to the execution; the job shows that of the execution it is bound to.
  if (const auto* bound = row.execution_id ? execution(*row.execution_id) : nullptr) {
    row.progress_percent = std::max(row.progress_percent, bound->row.progress_percent);
    if (!domain::is_final(bound->row.state)) row.progress_message = bound->progress_message;
    const bool running =
        row.status == ports::JobStatus::kRunning && bound->row.state == ports::ExecutionState::kRunning;
    if (running) row.silent_since = bound->silent_since;
    row.warnings_json = bound->warnings_json;
  }
  if (row.status == ports::JobStatus::kPending && !row.claimed_at && !tables_.waiting_reason.empty()) {
    row.waiting_reason = tables_.waiting_reason;
  }
  if (const auto note = tables_.operator_notes.find(row.id); note != tables_.operator_notes.end()) {
    row.operator_note = note->second;
  }
  return row;
}

ports::InstanceRow FakeDatabase::view(const InstanceRecord& instance) const {
  ports::InstanceRow row = instance.row;
  row.witness_prompt_id = instance.witness_prompt_id;
  if (const auto* lease = live_lease(row.id)) row.lease_owner = lease->owner;
  row.has_access = !instance.headers.empty();
  for (const ports::SecretHeader& header : instance.headers) row.header_names.push_back(header.name);
  row.live_executions =
      static_cast<int>(std::count_if(tables_.executions.begin(), tables_.executions.end(), [&](const auto& entry) {
        return entry.second.row.instance_id == row.id && !domain::is_final(entry.second.row.state);
      }));
  return row;
}

}  // namespace renderyard::testing
