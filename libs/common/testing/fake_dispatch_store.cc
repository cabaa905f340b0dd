#include "libs/common/testing/fake_dispatch_store.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <tuple>
#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/testing/fake_fitness.h"
#include "libs/common/testing/fake_settle.h"
#include "libs/common/testing/fake_text.h"

namespace renderyard::testing {

namespace {

using domain::Owner;
using ports::ExecutionState;
using ports::InstanceStatus;
using ports::JobStatus;

// Operators let it have work.
bool in_service(const ports::InstanceRow& row) {
  return row.is_enabled && !row.removed_at && !row.is_draining;
}

bool usable(const FakeDatabase& database, const ports::InstanceRow& row) {
  const bool connected = row.status == InstanceStatus::kConnected || row.status == InstanceStatus::kPolling;
  return in_service(row) && is_fit(row, database.now()) && connected && database.live_lease(row.id) != nullptr;
}

// Where names of files are common to prompts there is the first slot alone.
int slots_of(const ports::InstanceRow& row) {
  return row.unique_prefix ? row.slots : 1;
}

bool has_occupied_slot(Transaction& txn, ports::InstanceId instance) {
  const auto& slots = txn.tables().slots;
  return std::any_of(slots.begin(), slots.end(),
                     [instance](const auto& slot) { return slot.first.first == instance && slot.second.has_value(); });
}

ports::Fleet read_fleet(Transaction& txn) {
  ports::Fleet fleet;
  for (const auto& [id, instance] : txn.tables().instances) {
    if (in_service(instance.row)) ++fleet.instances_enabled;
    if (usable(txn.database(), instance.row)) ++fleet.instances_usable;
  }
  for (const auto& [key, execution] : txn.tables().slots) {
    const ports::InstanceRow& row = txn.database().instance(key.first)->row;
    if (execution || key.second >= slots_of(row) || !usable(txn.database(), row)) continue;
    if (lets_only_one_through(row) && (key.second > 0 || has_occupied_slot(txn, key.first))) continue;
    ports::FreeSlot slot;
    slot.instance_id = key.first;
    slot.slot_no = key.second;
    fleet.free_slots.push_back(slot);
  }
  return fleet;
}

bool claimable(const JobRecord& job, absl::Time now) {
  const ports::JobRow& row = job.row;
  return row.status == JobStatus::kPending && !row.claimed_at && !row.cancel_requested_at &&
         (!job.not_before || *job.not_before <= now) && (!job.wait_until || *job.wait_until > now);
}

std::vector<ports::Candidate> read_candidates(Transaction& txn, int limit) {
  std::vector<const JobRecord*> waiting;
  for (const auto& [id, job] : txn.tables().jobs) {
    if (claimable(job, txn.now())) waiting.push_back(&job);
  }
  std::sort(waiting.begin(), waiting.end(), [](const JobRecord* a, const JobRecord* b) {
    return std::tuple(-a->row.priority, a->row.submitted_at, a->row.id) <
           std::tuple(-b->row.priority, b->row.submitted_at, b->row.id);
  });
  if (static_cast<int>(waiting.size()) > limit) waiting.resize(static_cast<std::size_t>(std::max(limit, 0)));
  std::vector<ports::Candidate> candidates;
  for (const JobRecord* job : waiting) {
    ports::Candidate candidate;
    candidate.job_id = job->row.id;
    candidate.user_id = job->row.submitted_by;
    candidate.priority = job->row.priority;
    candidate.needs_key = job->needs_key;
    candidates.push_back(candidate);
  }
  return candidates;
}

absl::StatusOr<std::vector<ports::ClaimedExecution>> claim_jobs(Transaction& txn,
                                                                const std::vector<ports::Assignment>& wanted,
                                                                const std::string& claimed_by) {
  std::vector<ports::ClaimedExecution> claimed;
  for (const auto& assignment : wanted) {
    const SlotKey slot(assignment.instance_id, assignment.slot_no);
    const auto free = txn.tables().slots.find(slot);
    const JobRecord* found = txn.database().job(assignment.job_id);
    if (free == txn.tables().slots.end() || free->second) continue;
    const ports::InstanceRow& instance = txn.database().instance(assignment.instance_id)->row;
    if (assignment.slot_no >= slots_of(instance) || !in_service(instance)) continue;
    if (found == nullptr || !claimable(*found, txn.now()) || txn.database().row_locked(assignment.job_id)) continue;
    JobRecord job = *found;

    ExecutionRecord execution;
    execution.row.id = txn.draw_execution_id();
    execution.row.instance_id = assignment.instance_id;
    execution.row.job_id = job.row.id;
    execution.row.user_id = job.row.submitted_by;
    execution.row.attempt = ++job.row.attempt;
    execution.row.slot_no = assignment.slot_no;
    execution.row.client_prompt_id = assignment.client_prompt_id;
    execution.row.assigned_at = txn.now();
    RETURN_IF_ERROR(txn.put(execution, Owner::kDispatcher));
    txn.set_slot(slot, execution.row.id);

    job.row.claimed_at = txn.now();
    job.row.worker_id = assignment.instance_id;
    job.row.execution_id = execution.row.id;
    job.claimed_by = claimed_by;
    job.not_before.reset();
    base::json::object data;
    data["instance_id"] = assignment.instance_id.value;
    data["attempt"] = job.row.attempt;
    RETURN_IF_ERROR(txn.write_event(job, ports::event_type::kClaimed, execution.row.id, base::json::serialize(data)));
    RETURN_IF_ERROR(txn.put(job, Owner::kDispatcher));

    ports::ClaimedExecution result;
    result.execution_id = execution.row.id;
    result.job_id = job.row.id;
    result.instance_id = assignment.instance_id;
    if (const auto* lease = txn.database().live_lease(assignment.instance_id)) result.bridge_address = lease->address;
    claimed.push_back(std::move(result));
  }
  return claimed;
}

std::vector<ports::StaleAssignment> read_stale(Transaction& txn, absl::Duration age, int limit) {
  std::vector<ports::StaleAssignment> stale;
  for (const auto& [id, execution] : txn.tables().executions) {
    if (static_cast<int>(stale.size()) >= limit) break;
    if (execution.row.state != ExecutionState::kAssigned) continue;
    const bool wished = txn.database().job(execution.row.job_id)->row.cancel_requested_at.has_value();
    if (!wished && execution.row.assigned_at >= txn.now() - age) continue;
    ports::StaleAssignment assignment;
    assignment.execution_id = id;
    assignment.job_id = execution.row.job_id;
    stale.push_back(assignment);
  }
  return stale;
}

int count_earlier_not_accepted(Transaction& txn, const ports::ExecutionRow& execution) {
  const auto& table = txn.tables().executions;
  return static_cast<int>(std::count_if(table.begin(), table.end(), [&](const auto& entry) {
    const ports::ExecutionRow& row = entry.second.row;
    return row.job_id == execution.job_id && row.attempt < execution.attempt &&
           row.state == ExecutionState::kNotAccepted && row.outcome_proof != "connect_failed";
  }));
}

std::vector<ports::UnsettledExecution> read_unsettled(Transaction& txn, absl::Duration min_age, int limit) {
  std::vector<ports::UnsettledExecution> unsettled;
  const absl::Time bound = txn.now() - min_age;
  for (const auto& [id, execution] : txn.tables().executions) {
    if (static_cast<int>(unsettled.size()) >= limit) break;
    const ports::ExecutionRow& row = execution.row;
    if (row.settled_at) continue;
    const ports::JobRow& job = txn.database().job(row.job_id)->row;
    const bool ended = domain::is_final(row.state) && row.completed_at <= bound;
    const bool started =
        job.status == JobStatus::kPending && job.execution_id == id && row.started_at && *row.started_at <= bound;
    if (!ended && !started) continue;
    ports::UnsettledExecution entry;
    entry.execution = row;
    entry.job_status = job.status;
    entry.job_wants_cancel = job.cancel_requested_at.has_value();
    entry.earlier_not_accepted = count_earlier_not_accepted(txn, row);
    entry.result_json = execution.result_json;
    unsettled.push_back(std::move(entry));
  }
  return unsettled;
}

}  // namespace

base::Task<absl::StatusOr<ports::Fleet>> FakeDispatchStore::fleet() {
  return read<absl::StatusOr<ports::Fleet>>("fleet", [](Transaction& txn) { return read_fleet(txn); });
}

base::Task<absl::StatusOr<std::vector<ports::Candidate>>> FakeDispatchStore::candidates(int limit) {
  return read<absl::StatusOr<std::vector<ports::Candidate>>>(
      "candidates", [limit](Transaction& txn) { return read_candidates(txn, limit); });
}

base::Task<absl::StatusOr<std::vector<ports::ClaimedExecution>>> FakeDispatchStore::claim(
    std::vector<ports::Assignment> wanted, std::string claimed_by) {
  Draws draws;
  draws.event_ids = static_cast<int>(wanted.size());
  return write<absl::StatusOr<std::vector<ports::ClaimedExecution>>>(
      "claim", draws, [wanted = std::move(wanted), claimed_by = std::move(claimed_by)](Transaction& txn) {
        return claim_jobs(txn, wanted, claimed_by);
      });
}

base::Task<absl::StatusOr<std::vector<ports::StaleAssignment>>> FakeDispatchStore::stale_assigned(absl::Duration age,
                                                                                                  int limit) {
  return read<absl::StatusOr<std::vector<ports::StaleAssignment>>>(
      "stale_assigned", [age, limit](Transaction& txn) { return read_stale(txn, age, limit); });
}

base::Task<absl::StatusOr<bool>> FakeDispatchStore::withdraw(ports::ExecutionId execution, std::string reason) {
  Draws draws;
  draws.event_ids = 1;
  return write<absl::StatusOr<bool>>("withdraw", draws, [execution, reason = std::move(reason)](Transaction& txn) {
    return withdraw_execution(txn, execution, reason);
  });
}

base::Task<absl::StatusOr<std::vector<ports::UnsettledExecution>>> FakeDispatchStore::unsettled(absl::Duration min_age,
                                                                                                int limit) {
  return read<absl::StatusOr<std::vector<ports::UnsettledExecution>>>(
      "unsettled", [min_age, limit](Transaction& txn) { return read_unsettled(txn, min_age, limit); });
}

base::Task<absl::StatusOr<std::vector<ports::JobId>>> FakeDispatchStore::settle(
    std::vector<ports::Settlement> settlements) {
  Draws draws;
  draws.event_ids = static_cast<int>(settlements.size());
  return write<absl::StatusOr<std::vector<ports::JobId>>>(
      "settle", draws,
      [settlements = std::move(settlements)](Transaction& txn) { return settle_jobs(txn, settlements); });
}

base::Task<absl::StatusOr<int>> FakeDispatchStore::cancel_wished(int limit) {
  Draws draws;
  draws.event_ids = 1;
  return write<absl::StatusOr<int>>("cancel_wished", draws,
                                    [limit](Transaction& txn) { return cancel_wished_jobs(txn, limit); });
}

base::Task<absl::StatusOr<int>> FakeDispatchStore::fail_waited(ports::JobError error, int limit) {
  Draws draws;
  draws.event_ids = 1;
  return write<absl::StatusOr<int>>("fail_waited", draws, [error = std::move(error), limit](Transaction& txn) {
    return fail_waited_jobs(txn, error, limit);
  });
}

base::Task<absl::Status> FakeDispatchStore::set_waiting_reason(std::string reason) {
  return write<absl::Status>("set_waiting_reason", Draws{}, [reason = std::move(reason)](Transaction& txn) {
    RETURN_IF_ERROR(check_text("reason", reason));
    txn.set_waiting_reason(reason);
    return absl::OkStatus();
  });
}

}  // namespace renderyard::testing
