#include "libs/common/testing/fake_execution_store.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <limits>
#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/domain/submission.h"
#include "libs/common/testing/fake_fitness.h"
#include "libs/common/testing/fake_leases.h"

namespace renderyard::testing {

namespace {

using domain::Owner;
using ports::ExecutionState;

ports::ExecutionRow seen(const FakeDatabase& database, const ExecutionRecord& execution) {
  ports::ExecutionRow row = execution.row;
  row.read_at = database.now();
  return row;
}

std::string character_of(const JobRecord& job) {
  const base::json::value metadata = base::json::parse(job.row.metadata_json.value_or("{}"));
  const auto* character = metadata.as_object().if_contains("characterId");
  return character == nullptr ? std::string() : std::string(character->as_string());
}

absl::StatusOr<ports::StartedExecution> with_workflow(FakeDatabase& database, const ExecutionRecord& execution) {
  const JobRecord& job = *database.job(execution.row.job_id);
  ports::StartedExecution loaded;
  loaded.execution = seen(database, execution);
  loaded.workflow = job.row.workflow;
  loaded.parameters_json = job.row.parameters_json;
  loaded.job_uid = job.row.uid;
  loaded.job_type = job.row.job_type;
  loaded.character_id = character_of(job);
  loaded.cluster_epoch = database.tables().meta.epoch;
  return loaded;
}

absl::StatusOr<std::optional<ports::StartedExecution>> start_execution(Transaction& txn, ports::ExecutionId id,
                                                                       ports::InstanceId instance, ports::Epoch epoch,
                                                                       const std::string& client_id) {
  const ExecutionRecord* found = txn.database().execution(id);
  if (found == nullptr || found->row.instance_id != instance || found->row.state != ExecutionState::kAssigned ||
      found->row.cancel_requested_at || !holds_lease(txn.tables(), instance, epoch)) {
    return std::nullopt;
  }
  ExecutionRecord execution = *found;
  execution.row.state = ExecutionState::kSubmitting;
  execution.row.owner_epoch = epoch;
  execution.row.client_id = client_id;
  execution.row.witness_prompt_id = txn.database().instance(instance)->witness_prompt_id;
  execution.row.submitted_at = txn.now();
  RETURN_IF_ERROR(txn.put(execution, Owner::kBridge));
  ASSIGN_OR_RETURN(ports::StartedExecution started, with_workflow(txn.database(), execution));
  return started;
}

// The row when the fence holds: this epoch owns it and it is in one of the states.
const ExecutionRecord* fenced(Transaction& txn, ports::ExecutionId id, ports::Epoch epoch,
                              const std::vector<ExecutionState>& states) {
  const ExecutionRecord* found = txn.database().execution(id);
  if (found == nullptr || found->row.owner_epoch != epoch) return nullptr;
  return std::find(states.begin(), states.end(), found->row.state) == states.end() ? nullptr : found;
}

void stamp(ports::ExecutionRow& row, ExecutionState to, bool started, absl::Time now) {
  const auto at_least = [to](std::initializer_list<ExecutionState> states) {
    return std::find(states.begin(), states.end(), to) != states.end();
  };
  using E = ExecutionState;
  const auto set = [now](std::optional<absl::Time>& time) {
    if (!time) time = now;
  };
  if (at_least({E::kQueued, E::kRunning, E::kCollecting, E::kCompleted})) set(row.accepted_at);
  if (started || at_least({E::kRunning, E::kCollecting, E::kCompleted})) set(row.started_at);
  if (to == E::kCollecting || domain::is_final(to)) set(row.ended_at);
  if (domain::is_final(to)) set(row.completed_at);
}

absl::StatusOr<std::optional<ports::Advanced>> advance_execution(Transaction& txn, const ports::Advance& step) {
  if (step.to == ExecutionState::kCompleted) return txn.database().defect("advance: completed is complete()'s");
  for (const ExecutionState from : step.from) {
    if (domain::allowed(from, step.to, Owner::kBridge)) continue;
    return txn.database().defect(absl::StrCat("advance: illegal edge ", base::to_absl(domain::to_string(from)), " -> ",
                                              base::to_absl(domain::to_string(step.to))));
  }
  const ExecutionRecord* found = fenced(txn, step.id, step.epoch, step.from);
  if (found == nullptr) return std::nullopt;
  ExecutionRecord execution = *found;
  ports::ExecutionRow& row = execution.row;
  if (domain::holds_slot(row.state) && !domain::holds_slot(step.to)) txn.free_slot_of(row);
  row.state = step.to;
  if (step.comfyui_prompt_id) row.comfyui_prompt_id = step.comfyui_prompt_id;
  if (step.outcome_proof) row.outcome_proof = step.outcome_proof;
  if (step.heard_end) row.heard_end = step.heard_end;
  if (step.heard_outputs) row.heard_outputs = step.heard_outputs;
  if (step.heard_whole) row.heard_whole = *step.heard_whole;
  if (step.prompt_ended_at) row.prompt_ended_at = step.prompt_ended_at;
  if (step.error) row.error = step.error;
  if (step.warnings_json) execution.warnings_json = step.warnings_json;
  if (step.quarantine) row.stray_seen_at = txn.now();
  stamp(row, step.to, step.started, txn.now());
  RETURN_IF_ERROR(txn.put(execution, Owner::kBridge));
  RETURN_IF_ERROR(write_fitness(txn, step, row.instance_id));
  ports::Advanced advanced;
  advanced.cancel_requested = row.cancel_requested_at.has_value();
  return advanced;
}

absl::StatusOr<bool> complete_execution(Transaction& txn, ports::ExecutionId id, ports::Epoch epoch,
                                        const std::vector<ports::OutputRow>& outputs, const std::string& result_json) {
  using E = ExecutionState;
  const ExecutionRecord* found = fenced(txn, id, epoch, {E::kQueued, E::kRunning, E::kCollecting, E::kCompleted});
  if (found == nullptr) return false;
  if (found->row.state == ExecutionState::kCompleted) return true;  // a repeat
  ExecutionRecord execution = *found;
  if (domain::holds_slot(execution.row.state)) txn.free_slot_of(execution.row);
  if (!execution.row.heard_end) execution.row.heard_end = "success";
  execution.row.state = ExecutionState::kCompleted;
  execution.row.progress_percent = 100;
  execution.result_json = result_json;
  stamp(execution.row, ExecutionState::kCompleted, true, txn.now());
  RETURN_IF_ERROR(txn.put(execution, Owner::kBridge));
  for (ports::OutputRow output : outputs) {
    output.job_id = execution.row.job_id;
    output.execution_id = id;
    RETURN_IF_ERROR(txn.put(output));
  }
  return true;
}

const std::vector<ExecutionState>& sent_and_live() {
  static const auto& states = *new std::vector<ExecutionState>{ExecutionState::kSubmitting, ExecutionState::kQueued,
                                                               ExecutionState::kRunning, ExecutionState::kCollecting};
  return states;
}

absl::Status write_progress(Transaction& txn, const std::vector<ports::ProgressWrite>& writes) {
  for (const auto& write : writes) {
    const ExecutionRecord* found = fenced(txn, write.id, write.epoch, sent_and_live());
    if (found == nullptr) continue;
    ExecutionRecord execution = *found;
    execution.row.progress_percent = std::max(execution.row.progress_percent, write.percent);
    execution.row.current_node.reset();
    if (!write.current_node.empty()) execution.row.current_node = write.current_node;
    execution.progress_message.reset();
    if (!write.message.empty()) execution.progress_message = write.message;
    execution.silent_since.reset();
    if (write.silence_told) execution.silent_since = txn.now() - *write.silence_told;
    if (write.silent_for) {
      const absl::Time sign = txn.now() - *write.silent_for;
      execution.row.last_sign_at = std::max(execution.row.last_sign_at.value_or(sign), sign);
    }
    RETURN_IF_ERROR(txn.put(execution, Owner::kBridge));
  }
  return absl::OkStatus();
}

absl::Status write_heard(Transaction& txn, ports::ExecutionId id, ports::Epoch epoch, const ports::HeardWrite& heard) {
  const ExecutionRecord* found = fenced(txn, id, epoch, sent_and_live());
  if (found == nullptr) return absl::OkStatus();
  ExecutionRecord execution = *found;
  if (heard.end) execution.row.heard_end = heard.end;
  if (heard.outputs) execution.row.heard_outputs = heard.outputs;
  if (heard.error) execution.row.error = heard.error;
  execution.row.heard_whole = heard.whole;
  if (heard.prompt_ended_at) execution.row.prompt_ended_at = heard.prompt_ended_at;
  return txn.put(execution, Owner::kBridge);
}

absl::StatusOr<bool> write_limit(Transaction& txn, ports::ExecutionId id, ports::Epoch epoch, const std::string& code) {
  using E = ExecutionState;
  const ExecutionRecord* found = fenced(txn, id, epoch, {E::kSubmitting, E::kQueued, E::kRunning});
  if (found == nullptr) return false;
  if (found->row.limit_passed) return true;
  ExecutionRecord execution = *found;
  execution.row.limit_passed = code;
  RETURN_IF_ERROR(txn.put(execution, Owner::kBridge));
  return true;
}

// Its prompt may be at the instance, and nobody has looked after it yet.
bool is_stray(const ports::ExecutionRow& row) {
  return !row.stray_seen_at && (row.given_up_at || domain::may_surface(row.state, row.outcome_proof.value_or("")));
}

absl::StatusOr<bool> write_stray(Transaction& txn, ports::ExecutionId id, ports::InstanceId instance,
                                 ports::Epoch epoch, const std::string& outcome) {
  const ExecutionRecord* found = txn.database().execution(id);
  if (found == nullptr || found->row.instance_id != instance || !holds_lease(txn.tables(), instance, epoch))
    return false;
  if (!is_stray(found->row)) return false;
  ExecutionRecord execution = *found;
  execution.row.stray_seen_at = txn.now();
  execution.row.stray_outcome = outcome;
  RETURN_IF_ERROR(txn.put(execution, Owner::kBridge));
  return true;
}

}  // namespace

base::Task<absl::StatusOr<std::vector<ports::Lease>>> FakeExecutionStore::reclaim(ports::BridgeIdentity who,
                                                                                  absl::Duration ttl) {
  return write<absl::StatusOr<std::vector<ports::Lease>>>(
      "reclaim", Draws{}, [who = std::move(who), ttl](Transaction& txn) {
        return take_leases(txn, who, ttl, Acquisition::kOwn, std::numeric_limits<int>::max());
      });
}

base::Task<absl::StatusOr<std::vector<ports::Lease>>> FakeExecutionStore::acquire(ports::BridgeIdentity who,
                                                                                  absl::Duration ttl, int limit) {
  return write<absl::StatusOr<std::vector<ports::Lease>>>(
      "acquire", Draws{}, [who = std::move(who), ttl, limit](Transaction& txn) {
        return take_leases(txn, who, ttl, Acquisition::kExpired, limit);
      });
}

base::Task<absl::StatusOr<std::vector<ports::InstanceId>>> FakeExecutionStore::renew(ports::BridgeIdentity who,
                                                                                     std::vector<ports::Lease> leases,
                                                                                     absl::Duration ttl) {
  return write<absl::StatusOr<std::vector<ports::InstanceId>>>(
      "renew", Draws{}, [who = std::move(who), leases = std::move(leases), ttl](Transaction& txn) {
        return renew_leases(txn, who, leases, ttl);
      });
}

base::Task<absl::Status> FakeExecutionStore::outlived(std::vector<ports::Lease> leases, absl::Duration age) {
  return write<absl::Status>("outlived", Draws{}, [leases = std::move(leases), age](Transaction& txn) {
    return end_adoption_runs(txn, leases, age);
  });
}

base::Task<absl::Status> FakeExecutionStore::release(std::vector<ports::Lease> leases) {
  return write<absl::Status>("release", Draws{},
                             [leases = std::move(leases)](Transaction& txn) { return release_leases(txn, leases); });
}

base::Task<absl::StatusOr<std::vector<ports::SecretHeader>>> FakeExecutionStore::access(ports::InstanceId id) {
  return FakeStore::read<absl::StatusOr<std::vector<ports::SecretHeader>>>("access", [id](Transaction& txn) {
    const InstanceRecord* found = txn.database().instance(id);
    return found == nullptr ? std::vector<ports::SecretHeader>() : found->headers;
  });
}

base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> FakeExecutionStore::instances(
    std::vector<ports::InstanceId> ids) {
  using Result = absl::StatusOr<std::vector<ports::InstanceRow>>;
  return FakeStore::read<Result>("instances", [ids = std::move(ids)](Transaction& txn) -> Result {
    std::vector<ports::InstanceRow> rows;
    for (const auto& [id, instance] : txn.tables().instances) {
      if (std::find(ids.begin(), ids.end(), id) != ids.end()) rows.push_back(txn.database().view(instance));
    }
    return rows;
  });
}

base::Task<absl::StatusOr<std::vector<ports::ExecutionRow>>> FakeExecutionStore::news(
    std::string owner, std::vector<ports::ExecutionId> known) {
  using Result = absl::StatusOr<std::vector<ports::ExecutionRow>>;
  return FakeStore::read<Result>(
      "news", [owner = std::move(owner), known = std::move(known)](Transaction& txn) -> Result {
        std::vector<ports::ExecutionRow> rows;
        for (const auto& [id, execution] : txn.tables().executions) {
          const ports::ExecutionRow& row = execution.row;
          const auto lease = txn.tables().leases.find(row.instance_id);
          if (lease == txn.tables().leases.end() || lease->second.owner != owner) continue;
          const bool is_known = std::find(known.begin(), known.end(), id) != known.end();
          const bool stray = is_stray(row);
          const bool news = !domain::is_final(row.state) && (!is_known || row.cancel_requested_at);
          if (!news && !stray) continue;
          rows.push_back(seen(txn.database(), execution));
        }
        return rows;
      });
}

base::Task<absl::StatusOr<ports::ExecutionRow>> FakeExecutionStore::read(ports::ExecutionId id) {
  return FakeStore::read<absl::StatusOr<ports::ExecutionRow>>(
      "read_execution", [id](Transaction& txn) -> absl::StatusOr<ports::ExecutionRow> {
        const ExecutionRecord* found = txn.database().execution(id);
        if (found == nullptr) return absl::NotFoundError("no such execution");
        return seen(txn.database(), *found);
      });
}

base::Task<absl::StatusOr<ports::StartedExecution>> FakeExecutionStore::load(ports::ExecutionId id) {
  return FakeStore::read<absl::StatusOr<ports::StartedExecution>>(
      "load", [id](Transaction& txn) -> absl::StatusOr<ports::StartedExecution> {
        const ExecutionRecord* found = txn.database().execution(id);
        if (found == nullptr) return absl::NotFoundError("no such execution");
        return with_workflow(txn.database(), *found);
      });
}

base::Task<absl::StatusOr<std::optional<ports::StartedExecution>>> FakeExecutionStore::start(ports::ExecutionId id,
                                                                                             ports::InstanceId instance,
                                                                                             ports::Epoch epoch,
                                                                                             std::string client_id) {
  return write<absl::StatusOr<std::optional<ports::StartedExecution>>>(
      "start", Draws{}, [id, instance, epoch, client_id = std::move(client_id)](Transaction& txn) {
        return start_execution(txn, id, instance, epoch, client_id);
      });
}

base::Task<absl::StatusOr<std::optional<ports::Advanced>>> FakeExecutionStore::advance(ports::Advance step) {
  return write<absl::StatusOr<std::optional<ports::Advanced>>>(
      "advance", Draws{}, [step = std::move(step)](Transaction& txn) { return advance_execution(txn, step); });
}

base::Task<absl::StatusOr<bool>> FakeExecutionStore::complete(ports::ExecutionId id, ports::Epoch epoch,
                                                              std::vector<ports::OutputRow> outputs,
                                                              std::string result_json) {
  return write<absl::StatusOr<bool>>(
      "complete", Draws{},
      [id, epoch, outputs = std::move(outputs), result_json = std::move(result_json)](Transaction& txn) {
        return complete_execution(txn, id, epoch, outputs, result_json);
      });
}

base::Task<absl::Status> FakeExecutionStore::record_progress(std::vector<ports::ProgressWrite> writes) {
  return write<absl::Status>("record_progress", Draws{},
                             [writes = std::move(writes)](Transaction& txn) { return write_progress(txn, writes); });
}

base::Task<absl::Status> FakeExecutionStore::record_heard(ports::ExecutionId id, ports::Epoch epoch,
                                                          ports::HeardWrite heard) {
  return write<absl::Status>("record_heard", Draws{}, [id, epoch, heard = std::move(heard)](Transaction& txn) {
    return write_heard(txn, id, epoch, heard);
  });
}

base::Task<absl::StatusOr<bool>> FakeExecutionStore::record_limit(ports::ExecutionId id, ports::Epoch epoch,
                                                                  std::string code) {
  return write<absl::StatusOr<bool>>("record_limit", Draws{}, [id, epoch, code = std::move(code)](Transaction& txn) {
    return write_limit(txn, id, epoch, code);
  });
}

base::Task<absl::StatusOr<bool>> FakeExecutionStore::close_circuit(ports::InstanceId instance, ports::Epoch epoch,
                                                                   int circuit_version) {
  return write<absl::StatusOr<bool>>("close_circuit", Draws{}, [instance, epoch, circuit_version](Transaction& txn) {
    return reset_circuit(txn, instance, epoch, circuit_version);
  });
}

base::Task<absl::StatusOr<bool>> FakeExecutionStore::quarantine(ports::InstanceId instance, ports::Epoch epoch,
                                                                ports::ExecutionId by, domain::Quarantine reason) {
  return write<absl::StatusOr<bool>>("quarantine", Draws{}, [instance, epoch, by, reason](Transaction& txn) {
    return begin_quarantine(txn, instance, epoch, by, reason);
  });
}

base::Task<absl::StatusOr<bool>> FakeExecutionStore::lift_quarantine(ports::InstanceId instance, ports::Epoch epoch,
                                                                     ports::ExecutionId by, std::string stray_outcome) {
  return write<absl::StatusOr<bool>>("lift_quarantine", Draws{},
                                     [instance, epoch, by, outcome = std::move(stray_outcome)](Transaction& txn) {
                                       return end_quarantine(txn, instance, epoch, by, outcome);
                                     });
}

base::Task<absl::StatusOr<bool>> FakeExecutionStore::record_stray(ports::ExecutionId id, ports::InstanceId instance,
                                                                  ports::Epoch epoch, std::string outcome) {
  return write<absl::StatusOr<bool>>("record_stray", Draws{},
                                     [id, instance, epoch, outcome = std::move(outcome)](Transaction& txn) {
                                       return write_stray(txn, id, instance, epoch, outcome);
                                     });
}

base::Task<absl::StatusOr<std::vector<ports::InstanceId>>> FakeExecutionStore::set_instance_states(
    std::vector<ports::InstanceState> states) {
  using Result = absl::StatusOr<std::vector<ports::InstanceId>>;
  return write<Result>("set_instance_states", Draws{}, [states = std::move(states)](Transaction& txn) -> Result {
    std::vector<ports::InstanceId> ours;
    for (const ports::InstanceState& state : states) {
      ASSIGN_OR_RETURN(const bool written, write_instance_state(txn, state));
      if (written) ours.push_back(state.id);
    }
    std::sort(ours.begin(), ours.end());
    return ours;
  });
}

base::Task<absl::StatusOr<bool>> FakeExecutionStore::set_capabilities(ports::InstanceId id, ports::Epoch epoch,
                                                                      domain::Capabilities capabilities) {
  using Result = absl::StatusOr<bool>;
  return write<Result>("set_capabilities", Draws{},
                       [id, epoch, capabilities = std::move(capabilities)](Transaction& txn) -> Result {
                         if (!holds_lease(txn.tables(), id, epoch)) return false;
                         InstanceRecord instance = *txn.database().instance(id);
                         instance.capabilities = {capabilities, domain::digest_of(capabilities), txn.now()};
                         RETURN_IF_ERROR(txn.put(instance));
                         return true;
                       });
}

base::Task<absl::Status> FakeExecutionStore::set_witness(ports::InstanceId instance, ports::Epoch epoch,
                                                         std::string prompt_id) {
  return write<absl::Status>("set_witness", Draws{},
                             [instance, epoch, prompt_id = std::move(prompt_id)](Transaction& txn) {
                               return write_witness(txn, instance, epoch, prompt_id);
                             });
}

}  // namespace renderyard::testing
