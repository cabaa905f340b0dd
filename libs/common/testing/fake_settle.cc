#include "libs/common/testing/fake_settle.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdint>
#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::testing {

namespace {

using domain::Owner;
using ports::JobStatus;
using Kind = ports::Settlement::Kind;

std::string reason_json(const std::string& reason) {
  base::json::object data;
  data["reason"] = reason;
  return base::json::serialize(data);
}

std::string error_json(const ports::JobError& error) {
  base::json::object details;
  details["code"] = error.code;
  details["message"] = error.message;
  if (!error.node_id.empty()) details["node_id"] = error.node_id;
  if (!error.node_class.empty()) details["node_class"] = error.node_class;
  base::json::object data;
  data["error"] = std::move(details);
  return base::json::serialize(data);
}

// `data` and the warnings of the execution, if it has any.
std::string warned_json(base::json::object data, const ExecutionRecord& execution) {
  if (execution.warnings_json) data["warnings"] = base::json::parse(*execution.warnings_json);
  return base::json::serialize(data);
}

std::string completed_json(const ports::JobRow& row, const ExecutionRecord& execution) {
  base::json::object data;
  data["actual_duration_secs"] = row.actual_duration_secs.value_or(0);
  return warned_json(std::move(data), execution);
}

// Sets status and stamps of a final state; the machines are looked at by put().
void end_job(Transaction& txn, ports::JobRow& row, JobStatus status) {
  row.status = status;
  row.completed_at = txn.now();
  if (row.started_at) {
    row.actual_duration_secs = static_cast<int>(absl::ToInt64Seconds(*row.completed_at - *row.started_at));
  }
}

void unclaim(JobRecord& job) {
  job.row.claimed_at.reset();
  job.row.execution_id.reset();
  job.row.worker_id.reset();
  job.claimed_by.reset();
}

// pending -> running with its event, put at once: the machine knows no edge from pending to completed.
absl::Status start_job(Transaction& txn, JobRecord& job, const ExecutionRecord& execution) {
  job.row.status = JobStatus::kRunning;
  job.row.started_at = execution.row.started_at;
  RETURN_IF_ERROR(txn.write_event(job, ports::event_type::kStarted, execution.row.id, warned_json({}, execution)));
  return txn.put(job, Owner::kDispatcher);
}

absl::Status end_as(Transaction& txn, JobRecord& job, const ExecutionRecord& execution,
                    const ports::Settlement& settlement) {
  switch (settlement.kind) {
    case Kind::kComplete:
      end_job(txn, job.row, JobStatus::kCompleted);
      job.row.progress_percent = 100;
      job.row.result_json = execution.result_json;
      RETURN_IF_ERROR(
          txn.write_event(job, ports::event_type::kCompleted, execution.row.id, completed_json(job.row, execution)));
      break;
    case Kind::kFail:
      end_job(txn, job.row, JobStatus::kFailed);
      job.row.error = settlement.error;
      RETURN_IF_ERROR(txn.write_event(job, ports::event_type::kFailed, execution.row.id, error_json(settlement.error)));
      break;
    case Kind::kCancel:
      end_job(txn, job.row, JobStatus::kCancelled);
      RETURN_IF_ERROR(txn.write_event(job, ports::event_type::kCancelled, execution.row.id, "{}"));
      break;
    case Kind::kRequeue:
      unclaim(job);
      job.not_before = txn.now() + settlement.not_before;
      RETURN_IF_ERROR(
          txn.write_event(job, ports::event_type::kRequeued, execution.row.id, reason_json(settlement.reason)));
      break;
    case Kind::kStart:
      break;
  }
  return txn.put(job, Owner::kDispatcher);
}

// Does an execution in this state let its job end or wait again in this way?
bool ends_so(ports::ExecutionState state, Kind kind) {
  if (kind == Kind::kComplete) return state == ports::ExecutionState::kCompleted;
  if (kind == Kind::kRequeue) return state == ports::ExecutionState::kNotAccepted;
  return domain::is_final(state);
}

// True when its fence held and it was applied.
absl::StatusOr<bool> settle_one(Transaction& txn, const ports::Settlement& settlement) {
  const JobRecord* found = txn.database().job(settlement.job_id);
  const ExecutionRecord* bound = txn.database().execution(settlement.execution_id);
  if (found == nullptr || bound == nullptr) return false;
  if (found->row.execution_id != settlement.execution_id || domain::is_final(found->row.status)) return false;
  const ExecutionRecord execution = *bound;
  if (execution.row.settled_at) return false;
  JobRecord job = *found;
  const bool pending = job.row.status == JobStatus::kPending;
  if (settlement.kind == Kind::kStart) {
    if (!pending || !execution.row.started_at) return false;
    RETURN_IF_ERROR(start_job(txn, job, execution));
    return true;
  }
  if (!ends_so(execution.row.state, settlement.kind)) return false;
  if (settlement.kind == Kind::kRequeue && !pending) return false;
  if (settlement.kind != Kind::kRequeue && pending &&
      (execution.row.started_at || settlement.kind == Kind::kComplete)) {
    RETURN_IF_ERROR(start_job(txn, job, execution));
  }
  RETURN_IF_ERROR(end_as(txn, job, execution, settlement));
  ExecutionRecord settled = execution;
  settled.row.settled_at = txn.now();
  RETURN_IF_ERROR(txn.put(settled, Owner::kDispatcher));
  return true;
}

}  // namespace

absl::StatusOr<bool> withdraw_execution(Transaction& txn, ports::ExecutionId id, const std::string& reason) {
  const ExecutionRecord* found = txn.database().execution(id);
  if (found == nullptr || found->row.state != ports::ExecutionState::kAssigned) return false;
  ExecutionRecord execution = *found;
  JobRecord job = *txn.database().job(execution.row.job_id);
  const absl::Time now = txn.now();
  txn.free_slot_of(execution.row);
  execution.row.state = ports::ExecutionState::kWithdrawn;
  execution.row.ended_at = now;
  execution.row.completed_at = now;
  execution.row.settled_at = now;  // its job is told here
  RETURN_IF_ERROR(txn.put(execution, Owner::kDispatcher));
  if (job.row.cancel_requested_at) {
    end_job(txn, job.row, JobStatus::kCancelled);
    RETURN_IF_ERROR(txn.write_event(job, ports::event_type::kCancelled, id, "{}"));
  } else {
    unclaim(job);
    RETURN_IF_ERROR(txn.write_event(job, ports::event_type::kRequeued, id, reason_json(reason)));
  }
  RETURN_IF_ERROR(txn.put(job, Owner::kDispatcher));
  return true;
}

absl::StatusOr<std::vector<ports::JobId>> settle_jobs(Transaction& txn, std::vector<ports::Settlement> settlements) {
  std::stable_sort(settlements.begin(), settlements.end(),
                   [](const auto& a, const auto& b) { return a.job_id < b.job_id; });
  std::vector<ports::JobId> applied;
  for (const auto& settlement : settlements) {
    if (txn.database().row_locked(settlement.job_id)) continue;
    ASSIGN_OR_RETURN(const bool done, settle_one(txn, settlement));
    if (done && (applied.empty() || applied.back() != settlement.job_id)) applied.push_back(settlement.job_id);
  }
  return applied;
}

absl::StatusOr<int> cancel_wished_jobs(Transaction& txn, int limit) {
  std::vector<JobRecord> wished;
  for (const auto& [id, job] : txn.tables().jobs) {
    if (static_cast<int>(wished.size()) >= limit) break;
    const ports::JobRow& row = job.row;
    if (row.status != JobStatus::kPending || row.claimed_at || !row.cancel_requested_at) continue;
    if (!txn.database().row_locked(id)) wished.push_back(job);
  }
  for (JobRecord& job : wished) {
    end_job(txn, job.row, JobStatus::kCancelled);
    RETURN_IF_ERROR(txn.write_event(job, ports::event_type::kCancelled, std::nullopt, "{}"));
    RETURN_IF_ERROR(txn.put(job, Owner::kDispatcher));
  }
  return static_cast<int>(wished.size());
}

absl::StatusOr<int> fail_waited_jobs(Transaction& txn, const ports::JobError& error, int limit) {
  std::vector<JobRecord> waited;
  for (const auto& [id, job] : txn.tables().jobs) {
    if (static_cast<int>(waited.size()) >= limit) break;
    const ports::JobRow& row = job.row;
    if (row.status != JobStatus::kPending || row.claimed_at || row.cancel_requested_at) continue;
    if (!job.wait_until || *job.wait_until > txn.now()) continue;
    if (!txn.database().row_locked(id)) waited.push_back(job);
  }
  for (JobRecord& job : waited) {
    end_job(txn, job.row, JobStatus::kFailed);
    job.row.error = error;
    RETURN_IF_ERROR(txn.write_event(job, ports::event_type::kFailed, std::nullopt, error_json(error)));
    RETURN_IF_ERROR(txn.put(job, Owner::kDispatcher));
  }
  return static_cast<int>(waited.size());
}

}  // namespace renderyard::testing
