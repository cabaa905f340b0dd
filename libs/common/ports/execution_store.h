// What the bridge does: leases, its executions, outputs, instance state. Every write to an execution carries the lease
// epoch and the expected states in its WHERE; nullopt or false = the fence did not hold, somebody else owns it now, and
// the work on it must stop. UNAVAILABLE may mean that it happened: read the row again. Adapter: adapters/postgres;
// fake: testing/fake_stores.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/task.h"
#include "libs/common/domain/capabilities.h"
#include "libs/common/ports/model.h"

namespace renderyard::ports {

struct Lease {
  InstanceId instance_id;
  Epoch epoch;
  std::string previous_owner = {};  // who held it before this acquisition, empty when nobody did
  std::string previous_lock = {};   // BridgeIdentity::lock of that process
};

struct BridgeIdentity {
  std::string owner;    // stable --bridge-id
  std::string address;  // gRPC address for dispatchers and gateways
  // The lock on the owner's name that this process holds for its life, '' when it holds none: of two processes with the
  // same one only one lives.
  std::string lock = {};
};

// The intent, committed: from here on the prompt may be at ComfyUI.
struct StartedExecution {
  ExecutionRow execution;  // state submitting
  std::string workflow;
  std::string parameters_json;
  std::string job_uid;
  // For the cache (requirement P1).
  std::string job_type;
  std::string character_id;   // of the job's metadata, may be empty
  std::string cluster_epoch;  // of cluster_meta
};

struct Advance {
  ExecutionId id;
  Epoch epoch;
  std::vector<ExecutionState> from;  // expected; the machine's table must allow each -> to
  ExecutionState to = ExecutionState::kQueued;
  // Set when present, kept otherwise. Time stamps of the state (accepted_at for queued and later, started_at for
  // running and later, ended_at for collecting and final, completed_at for final) are set by the store when still null.
  std::optional<std::string> comfyui_prompt_id;
  std::optional<std::string> outcome_proof;
  std::optional<std::string> heard_end;
  std::optional<std::string> heard_outputs;
  std::optional<bool> heard_whole;
  std::optional<absl::Time> prompt_ended_at;
  std::optional<JobError> error;
  std::optional<std::string> warnings_json;  // JobRow::warnings_json
  // Why its instance gets no new work from now on, and the execution is a stray; kept when it is in quarantine already.
  std::optional<domain::Quarantine> quarantine;
  std::optional<domain::Circuit> circuit;  // of its instance from now on, unless an operator has reset it meanwhile:
  int circuit_version = 0;                 // InstanceRow::circuit_version as it was when the circuit was computed
  bool started = false;  // the execution has started at ComfyUI (sets started_at also for failed, cancelled, lost)
};

struct Advanced {
  bool cancel_requested = false;
};

// What the socket said of a prompt.
struct HeardWrite {
  std::optional<std::string> end;      // kept when absent
  std::optional<std::string> outputs;  // kept when absent
  std::optional<JobError> error;       // kept when absent; becomes the row's error
  bool whole = false;
  std::optional<absl::Time> prompt_ended_at = {};  // kept when absent
};

struct ProgressWrite {
  ExecutionId id;
  Epoch epoch;
  int percent = 0;  // stored as GREATEST
  std::string current_node;
  std::optional<absl::Duration> silent_for = {};  // since a message of it was last heard; absent: none was
  // What people are told beside it, as in Progress.
  std::string message = {};
  std::optional<absl::Duration> silence_told = {};  // it is called silent since so long; absent: it is not
};

struct InstanceState {
  InstanceId id;
  Epoch epoch;
  InstanceStatus status = InstanceStatus::kDisconnected;
  int reconnect_attempts = 0;
  std::string reason;
};

class ExecutionStore {
 public:
  virtual ~ExecutionStore() = default;

  // Leases that this owner held (own restart: at once) -> epoch + 1 each, owner_epoch of their live executions (all but
  // assigned) re-stamped and their adoptions raised in the same transaction; adoption_run begins anew with 1 when the
  // adoption before was longer than domain::kAdoptionGapSecs ago. Of enabled, not removed instances, and of others
  // while they have live executions: those are followed to their end.
  virtual base::Task<absl::StatusOr<std::vector<Lease>>> reclaim(BridgeIdentity who, absl::Duration ttl) = 0;
  // Like reclaim for instances whose lease is absent or expired (by the database's clock); at most `limit`.
  virtual base::Task<absl::StatusOr<std::vector<Lease>>> acquire(BridgeIdentity who, absl::Duration ttl, int limit) = 0;
  // Extends; returns those that are still ours, out of service or not: whoever drives an instance leaves it by
  // release(). Free slots that are too many since an operator took some away are dropped on the way.
  virtual base::Task<absl::StatusOr<std::vector<InstanceId>>> renew(BridgeIdentity who, std::vector<Lease> leases,
                                                                    absl::Duration ttl) = 0;
  // The holder of these leases has lived on, or ends regularly: what it adopted at least `age` ago did not kill it, and
  // their runs of adoptions begin anew (adoption_run = 0). A poisoned one (domain::kPoisonedRun) stays so: whoever
  // lives with it does not listen to it. Fenced by epoch.
  virtual base::Task<absl::Status> outlived(std::vector<Lease> leases, absl::Duration age) = 0;
  // Ends the lease now (regular shutdown, disabled instance); fenced by epoch. Credentials of a removed instance that
  // nothing lives on are forgotten.
  virtual base::Task<absl::Status> release(std::vector<Lease> leases) = 0;

  // Those of `ids` that exist, by id, without header_names and live_executions. One query for a fleet.
  virtual base::Task<absl::StatusOr<std::vector<InstanceRow>>> instances(std::vector<InstanceId> ids) = 0;
  // What the holder of `owner`'s leases, expired ones included, does not know yet, by id: its live executions (assigned
  // … collecting) other than `known`, those with a wish to cancel, and those whose prompts nobody has looked after yet
  // (no stray_seen_at) though an operator gave them up or they may surface (domain::may_surface()). One query for a
  // fleet, and few rows.
  virtual base::Task<absl::StatusOr<std::vector<ExecutionRow>>> news(std::string owner,
                                                                     std::vector<ExecutionId> known) = 0;
  // Secrets, by name.
  virtual base::Task<absl::StatusOr<std::vector<SecretHeader>>> access(InstanceId id) = 0;
  virtual base::Task<absl::StatusOr<ExecutionRow>> read(ExecutionId id) = 0;
  // Workflow and parameters of a job (for adopted executions). NOT_FOUND.
  virtual base::Task<absl::StatusOr<StartedExecution>> load(ExecutionId id) = 0;

  // assigned -> submitting with client id and epoch, while the lease row is held FOR KEY SHARE at this epoch. nullopt:
  // it was withdrawn, has a cancel wish, is not assigned any more, or the lease is not ours.
  virtual base::Task<absl::StatusOr<std::optional<StartedExecution>>> start(ExecutionId id, InstanceId instance,
                                                                            Epoch epoch, std::string client_id) = 0;
  // Compare-and-set. Leaving {submitting, queued, running} frees the slot in the same transaction.
  virtual base::Task<absl::StatusOr<std::optional<Advanced>>> advance(Advance step) = 0;
  // collecting -> completed with its outputs and result (JSON text), one fenced transaction; blobs are referenced. Also
  // from queued and running, when collecting took but a moment: the slot is freed then. False: the fence did not hold.
  // Repeating it for the same execution is harmless. INVALID_ARGUMENT: PostgreSQL refuses the result
  // (result_unstorable).
  virtual base::Task<absl::StatusOr<bool>> complete(ExecutionId id, Epoch epoch, std::vector<OutputRow> outputs,
                                                    std::string result_json) = 0;
  virtual base::Task<absl::Status> record_progress(std::vector<ProgressWrite> writes) = 0;
  // Heard on the socket, before the end is confirmed; fenced like advance, state unchanged.
  virtual base::Task<absl::Status> record_heard(ExecutionId id, Epoch epoch, HeardWrite heard) = 0;

  // A limit has passed (domain::code::…), fenced like advance, state unchanged; the first one stays. False: the fence
  // did not hold, nothing may be stopped for it.
  virtual base::Task<absl::StatusOr<bool>> record_limit(ExecutionId id, Epoch epoch, std::string code) = 0;

  // A prompt succeeded at the instance. Fenced by the lease's epoch and by circuit_version; false when either does not
  // hold.
  virtual base::Task<absl::StatusOr<bool>> close_circuit(InstanceId instance, Epoch epoch, int circuit_version) = 0;
  // Puts the instance into quarantine because of this execution; one that is in quarantine stays so for its own reason.
  // Fenced by the lease's epoch; false when it is not ours.
  virtual base::Task<absl::StatusOr<bool>> quarantine(InstanceId instance, Epoch epoch, ExecutionId by,
                                                      domain::Quarantine reason) = 0;
  // What the instance is in quarantine for, this execution's prompt, is gone; stray_outcome, when not empty, is what
  // became of it. Fenced by the lease's epoch; false when it is not ours.
  virtual base::Task<absl::StatusOr<bool>> lift_quarantine(InstanceId instance, Epoch epoch, ExecutionId by,
                                                           std::string stray_outcome) = 0;
  // What became of the prompt of an execution that an operator gave up: completed, failed, interrupted or vanished.
  // Fenced by the lease's epoch of its instance; false when it is not ours, or was recorded before.
  virtual base::Task<absl::StatusOr<bool>> record_stray(ExecutionId id, InstanceId instance, Epoch epoch,
                                                        std::string outcome) = 0;
  // At most one state of each instance. Each is fenced by its lease's epoch; returns those whose lease is ours, by id.
  // Sets last_connected_at / last_disconnected_at.
  virtual base::Task<absl::StatusOr<std::vector<InstanceId>>> set_instance_states(
      std::vector<InstanceState> states) = 0;
  // What the instance's server has; fenced by the lease's epoch, false when the lease is not ours. What is stored
  // already is not written again, only when it was read.
  virtual base::Task<absl::StatusOr<bool>> set_capabilities(InstanceId id, Epoch epoch,
                                                            domain::Capabilities capabilities) = 0;
  // The last prompt seen finished at an instance, as witness of its life (jobs of any user).
  virtual base::Task<absl::Status> set_witness(InstanceId instance, Epoch epoch, std::string prompt_id) = 0;
};

}  // namespace renderyard::ports
