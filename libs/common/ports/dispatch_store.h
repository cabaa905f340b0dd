// What the dispatcher does: sees free slots and waiting jobs, claims, withdraws, settles. All writes are fenced in the
// row they write; "0 rows" is a normal answer (somebody else was first), never an error. UNAVAILABLE may mean that it
// happened: look again, never repeat blindly. Adapter: adapters/postgres; fake: testing/fake_stores.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/task.h"
#include "libs/common/ports/model.h"

namespace renderyard::ports {

// A free slot of an instance that may get work: enabled, not removed, not draining, connected or polling, with a live
// lease.
struct FreeSlot {
  InstanceId instance_id;
  int slot_no = 0;
};

struct Fleet {
  std::vector<FreeSlot> free_slots;  // ordered by instance id, slot number
  int instances_enabled = 0;         // and not draining
  int instances_usable = 0;          // connected or polling, leased
};

struct Candidate {
  JobId job_id;
  UserId user_id;
  int priority = 0;
  std::string needs_key;
};

struct Assignment {
  JobId job_id;
  InstanceId instance_id;
  int slot_no = 0;
  std::string client_prompt_id;  // canonical UUID, fresh
};

struct ClaimedExecution {
  ExecutionId execution_id;
  JobId job_id;
  InstanceId instance_id;
  std::string bridge_address;  // of the lease holder; empty when there is none
};

struct StaleAssignment {
  ExecutionId execution_id;
  JobId job_id;
};

// An execution whose job has not been told: it is final, or it has started while its job is still pending.
struct UnsettledExecution {
  ExecutionRow execution;
  JobStatus job_status = JobStatus::kPending;
  bool job_wants_cancel = false;
  int earlier_not_accepted = 0;  // executions of this job before this one that ended not_accepted, refused connections
                                 // (outcome_proof 'connect_failed') not counted
  std::optional<std::string> result_json;  // comfyui_executions.result, set by the bridge at completed
};

// One step of a job, decided by domain::settle() and applied atomically with its events.
struct Settlement {
  enum class Kind { kStart, kComplete, kFail, kCancel, kRequeue };
  ExecutionId execution_id;
  JobId job_id;
  Kind kind = Kind::kStart;
  JobError error;             // kFail
  std::string reason;         // kRequeue: why, for the event
  absl::Duration not_before;  // kRequeue: not claimed again before this much time
};

class DispatchStore {
 public:
  virtual ~DispatchStore() = default;

  virtual base::Task<absl::StatusOr<Fleet>> fleet() = 0;
  // Pending, unclaimed jobs without a wish, whose not_before has passed and that may still wait, by priority desc,
  // submitted_at, id.
  virtual base::Task<absl::StatusOr<std::vector<Candidate>>> candidates(int limit) = 0;
  // One statement, one commit: takes the free slots and the jobs with SKIP LOCKED, inserts the executions (assigned),
  // sets slots and jobs (claimed_at, claimed_by, worker_id, execution_id, attempt+1), writes job_claimed. Returns what
  // was taken; the rest was gone.
  virtual base::Task<absl::StatusOr<std::vector<ClaimedExecution>>> claim(std::vector<Assignment> wanted,
                                                                          std::string claimed_by) = 0;
  // Executions that are still assigned since longer than `age`, or whose job has a cancel wish.
  virtual base::Task<absl::StatusOr<std::vector<StaleAssignment>>> stale_assigned(absl::Duration age, int limit) = 0;
  // assigned -> withdrawn: provably never sent. True when this call moved it; then in the same transaction the slot is
  // free and the job is pending and unclaimed again with job_requeued{reason}, or cancelled with job_cancelled when it
  // has a wish.
  virtual base::Task<absl::StatusOr<bool>> withdraw(ExecutionId execution, std::string reason) = 0;
  // Executions with job still unaware (see UnsettledExecution), oldest first. min_age: only those that ended or started
  // at least so long ago (0 = all).
  virtual base::Task<absl::StatusOr<std::vector<UnsettledExecution>>> unsettled(absl::Duration min_age, int limit) = 0;
  // Applies each settlement whose fence holds (jobs.execution_id, job status, settled_at null), in one transaction,
  // locking jobs in id order with SKIP LOCKED. Final kinds set settled_at on the execution; kComplete/kFail/kCancel of
  // a pending job that had started write job_started first. kStart copies started_at. Returns the ids applied.
  virtual base::Task<absl::StatusOr<std::vector<JobId>>> settle(std::vector<Settlement> settlements) = 0;
  // Pending unclaimed jobs with a cancel wish become cancelled (job_cancelled). Returns how many.
  virtual base::Task<absl::StatusOr<int>> cancel_wished(int limit) = 0;
  // Pending unclaimed jobs that have waited for as long as they may fail with this error (job_failed); they are not
  // claimed from that moment on. Returns how many.
  virtual base::Task<absl::StatusOr<int>> fail_waited(JobError error, int limit) = 0;
  // Why jobs with these needs wait now; replaces the reasons stored before for all groups. Empty = nothing waits.
  virtual base::Task<absl::Status> set_waiting_reason(std::string reason) = 0;
};

}  // namespace renderyard::ports
