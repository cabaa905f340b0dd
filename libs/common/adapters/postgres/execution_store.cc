#include "libs/common/adapters/postgres/execution_store.h"

#include <algorithm>
#include <utility>

#include "libs/common/adapters/postgres/execution_store_sql.h"
#include "libs/common/adapters/postgres/offload.h"
#include "libs/common/adapters/postgres/rows.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/domain/machines.h"

namespace renderyard::postgres {

namespace {

using Leases = std::vector<ports::Lease>;

// Takes leases by `statement` and re-stamps the executions with a snapshot of its own, in one transaction.
Leases take_over(Session& session, const Statement& statement, const Params& params) {
  Transaction transaction(session);
  const pqxx::result result = transaction.run(statement, params);
  Leases leases;
  std::vector<std::int64_t> instances, epochs;
  for (const auto& columns : result) {
    Reader reader(columns);
    ports::Lease lease;
    lease.instance_id = reader.id<ports::InstanceId>();
    lease.epoch = reader.id<ports::Epoch>();
    lease.previous_owner = reader.text();
    lease.previous_lock = reader.text();
    instances.push_back(lease.instance_id.value);
    epochs.push_back(lease.epoch.value);
    leases.push_back(std::move(lease));
  }
  if (!leases.empty()) {
    const absl::Duration gap = absl::Seconds(domain::kAdoptionGapSecs);
    transaction.run(sql::kRestamp, Params().array(instances).array(epochs).add(gap));
  }
  transaction.commit();
  std::sort(leases.begin(), leases.end(), [](const auto& a, const auto& b) { return a.instance_id < b.instance_id; });
  return leases;
}

template <class IdType>
std::vector<std::int64_t> values_of(const std::vector<IdType>& ids) {
  std::vector<std::int64_t> values;
  values.reserve(ids.size());
  for (const IdType id : ids) values.push_back(id.value);
  return values;
}

Params lease_arrays(Params params, const Leases& leases) {
  std::vector<std::int64_t> instances, epochs;
  for (const ports::Lease& lease : leases) {
    instances.push_back(lease.instance_id.value);
    epochs.push_back(lease.epoch.value);
  }
  return params.array(instances).array(epochs);
}

ports::StartedExecution read_started(const pqxx::row& columns) {
  Reader reader(columns);
  ports::StartedExecution started;
  started.execution = read_execution(reader);
  started.workflow = reader.text();
  started.parameters_json = reader.text();
  started.job_uid = reader.text();
  started.job_type = reader.text();
  started.character_id = reader.text();
  started.cluster_epoch = reader.text();
  return started;
}

std::string name(ports::ExecutionState state) {
  return std::string(domain::to_string(state));
}

// INTERNAL when a step is not one of the machine's, before anything is asked of the database.
absl::Status check_edges(const ports::Advance& step) {
  if (step.to == ports::ExecutionState::kCompleted) {
    return absl::InternalError("advance: completed has outputs, it is complete() that writes them");
  }
  for (const ports::ExecutionState from : step.from) {
    if (!domain::allowed(from, step.to, domain::Owner::kBridge)) {
      return absl::InternalError("advance: no edge from " + name(from) + " to " + name(step.to));
    }
  }
  return absl::OkStatus();
}

Params& add_error(Params& params, const std::optional<ports::JobError>& error) {
  if (!error) return params.null().null().null().null();
  return params.add(error->code).add(error->message).add(error->node_id).add(error->node_class);
}

std::optional<std::int64_t> unix_ms(const std::optional<absl::Time>& time) {
  return time ? std::optional(absl::ToUnixMillis(*time)) : std::nullopt;
}

Params advance_params(const ports::Advance& step) {
  std::vector<std::string> from;
  for (const ports::ExecutionState state : step.from) from.push_back(name(state));
  Params params;
  params.add(step.id).add(step.epoch).array(from).add(name(step.to));
  params.maybe(step.comfyui_prompt_id).maybe(step.outcome_proof).maybe(step.heard_end).maybe(step.heard_outputs);
  add_error(params, step.error);
  params.add(step.started).add(!domain::holds_slot(step.to)).maybe(step.heard_whole);
  params.maybe(unix_ms(step.prompt_ended_at));
  step.quarantine ? params.add(domain::to_string(*step.quarantine)) : params.null();
  const domain::Circuit circuit = step.circuit.value_or(domain::Circuit());
  const auto open_until = circuit.open_until ? std::optional(absl::ToUnixMicros(*circuit.open_until)) : std::nullopt;
  params.add(step.circuit.has_value()).add(circuit.faults).add(circuit.openings).maybe(open_until);
  return params.add(circuit.last_job).add(circuit.reason).add(step.circuit_version).maybe(step.warnings_json);
}

Params complete_params(ports::ExecutionId id, ports::Epoch epoch, const std::vector<ports::OutputRow>& outputs,
                       const std::string& result_json) {
  std::vector<std::int64_t> n, sizes;
  std::vector<std::string> nodes, kinds, filenames, types, hashes;
  for (const ports::OutputRow& output : outputs) {
    n.push_back(output.n);
    nodes.push_back(output.node_id);
    kinds.push_back(output.kind);
    filenames.push_back(output.filename);
    types.push_back(output.content_type);
    sizes.push_back(output.size_bytes);
    hashes.push_back(output.sha256);
  }
  Params params = Params().add(id).add(epoch).add(result_json);
  return params.array(n).array(nodes).array(kinds).array(filenames).array(types).array(sizes).array(hashes);
}

}  // namespace

base::Task<absl::StatusOr<Leases>> ExecutionStore::reclaim(ports::BridgeIdentity who, absl::Duration ttl) {
  auto work = [who = std::move(who), ttl](Session& session) -> absl::StatusOr<Leases> {
    return take_over(session, sql::kReclaim, Params().add(who.owner).add(who.address).add(ttl).add(who.lock));
  };
  return offload<absl::StatusOr<Leases>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<Leases>> ExecutionStore::acquire(ports::BridgeIdentity who, absl::Duration ttl, int limit) {
  auto work = [who = std::move(who), ttl, limit](Session& session) -> absl::StatusOr<Leases> {
    return take_over(session, sql::kAcquire,
                     Params().add(who.owner).add(who.address).add(ttl).add(who.lock).add(limit));
  };
  return offload<absl::StatusOr<Leases>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::InstanceId>>> ExecutionStore::renew(ports::BridgeIdentity who,
                                                                                 Leases leases, absl::Duration ttl) {
  auto work = [who = std::move(who), leases = std::move(leases),
               ttl](Session& session) -> absl::StatusOr<std::vector<ports::InstanceId>> {
    std::vector<ports::InstanceId> ours;
    if (leases.empty()) return ours;
    const Params params = lease_arrays(Params().add(who.owner).add(who.address).add(ttl), leases);
    const pqxx::result result = session.run(sql::kRenew, params);
    std::vector<std::int64_t> ids;
    for (const auto& columns : result) ids.push_back(columns[0].as<std::int64_t>());
    if (!ids.empty()) session.run(sql::kDropSlots, Params().array(ids));
    std::sort(ids.begin(), ids.end());
    for (const std::int64_t id : ids) ours.push_back(ports::InstanceId{id});
    return ours;
  };
  return offload<absl::StatusOr<std::vector<ports::InstanceId>>>(pool_, strand_, std::move(work));
}

base::Task<absl::Status> ExecutionStore::outlived(Leases leases, absl::Duration age) {
  auto work = [leases = std::move(leases), age](Session& session) -> absl::Status {
    if (!leases.empty())
      session.run(sql::kOutlived, lease_arrays(Params(), leases).add(age).add(domain::kPoisonedRun - 1));
    return absl::OkStatus();
  };
  return offload<absl::Status>(pool_, strand_, std::move(work));
}

base::Task<absl::Status> ExecutionStore::release(Leases leases) {
  auto work = [leases = std::move(leases)](Session& session) -> absl::Status {
    if (leases.empty()) return absl::OkStatus();
    session.run(sql::kRelease, lease_arrays(Params(), leases));
    std::vector<std::int64_t> ids;
    for (const ports::Lease& lease : leases) ids.push_back(lease.instance_id.value);
    session.run(sql::kForgetRemovedAccess, Params().array(ids));
    return absl::OkStatus();
  };
  return offload<absl::Status>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> ExecutionStore::instances(
    std::vector<ports::InstanceId> ids) {
  auto work = [ids = std::move(ids)](Session& session) -> absl::StatusOr<std::vector<ports::InstanceRow>> {
    std::vector<ports::InstanceRow> rows;
    const pqxx::result result = session.run(sql::kInstances, Params().array(values_of(ids)));
    for (const auto& columns : result) {
      Reader reader(columns);
      rows.push_back(read_instance(reader));
    }
    return rows;
  };
  return offload<absl::StatusOr<std::vector<ports::InstanceRow>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::SecretHeader>>> ExecutionStore::access(ports::InstanceId id) {
  auto work = [id](Session& session) -> absl::StatusOr<std::vector<ports::SecretHeader>> {
    std::vector<ports::SecretHeader> headers;
    const pqxx::result result = session.run(sql::kAccess, Params().add(id));
    for (const auto& columns : result) headers.push_back({columns[0].c_str(), columns[1].c_str()});
    return headers;
  };
  return offload<absl::StatusOr<std::vector<ports::SecretHeader>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::ExecutionRow>>> ExecutionStore::news(
    std::string owner, std::vector<ports::ExecutionId> known) {
  auto work = [owner = std::move(owner),
               known = std::move(known)](Session& session) -> absl::StatusOr<std::vector<ports::ExecutionRow>> {
    std::vector<ports::ExecutionRow> rows;
    const pqxx::result result = session.run(sql::kNews, Params().add(owner).array(values_of(known)));
    for (const auto& columns : result) {
      Reader reader(columns);
      rows.push_back(read_execution(reader));
    }
    return rows;
  };
  return offload<absl::StatusOr<std::vector<ports::ExecutionRow>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::ExecutionRow>> ExecutionStore::read(ports::ExecutionId id) {
  auto work = [id](Session& session) -> absl::StatusOr<ports::ExecutionRow> {
    const pqxx::result result = session.run(sql::kRead, Params().add(id));
    if (result.empty()) return absl::NotFoundError("no such execution");
    Reader reader(result.front());
    return read_execution(reader);
  };
  return offload<absl::StatusOr<ports::ExecutionRow>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::StartedExecution>> ExecutionStore::load(ports::ExecutionId id) {
  auto work = [id](Session& session) -> absl::StatusOr<ports::StartedExecution> {
    const pqxx::result result = session.run(sql::kLoad, Params().add(id));
    if (result.empty()) return absl::NotFoundError("no such execution");
    return read_started(result.front());
  };
  return offload<absl::StatusOr<ports::StartedExecution>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::optional<ports::StartedExecution>>> ExecutionStore::start(ports::ExecutionId id,
                                                                                         ports::InstanceId instance,
                                                                                         ports::Epoch epoch,
                                                                                         std::string client_id) {
  using Result = absl::StatusOr<std::optional<ports::StartedExecution>>;
  auto work = [id, instance, epoch, client_id = std::move(client_id)](Session& session) -> Result {
    const Params params = Params().add(id).add(instance).add(epoch).add(client_id);
    const pqxx::result result = session.run(sql::kStart, params);
    if (result.empty()) return std::optional<ports::StartedExecution>();
    return std::optional<ports::StartedExecution>(read_started(result.front()));
  };
  return offload<Result>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::optional<ports::Advanced>>> ExecutionStore::advance(ports::Advance step) {
  using Result = absl::StatusOr<std::optional<ports::Advanced>>;
  auto work = [step = std::move(step)](Session& session) -> Result {
    RETURN_IF_ERROR(check_edges(step));
    const pqxx::result result = session.run(sql::kAdvance, advance_params(step));
    if (result.empty()) return std::optional<ports::Advanced>();
    ports::Advanced advanced;
    advanced.cancel_requested = result.front()[0].as<bool>();
    return std::optional<ports::Advanced>(advanced);
  };
  return offload<Result>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<bool>> ExecutionStore::complete(ports::ExecutionId id, ports::Epoch epoch,
                                                          std::vector<ports::OutputRow> outputs,
                                                          std::string result_json) {
  auto work = [id, epoch, outputs = std::move(outputs),
               result_json = std::move(result_json)](Session& session) -> absl::StatusOr<bool> {
    const pqxx::result result = session.run(sql::kComplete, complete_params(id, epoch, outputs, result_json));
    Reader reader(result.front());
    const bool moved = reader.boolean();
    const bool refused = reader.number() != 0;
    const bool was_completed = reader.boolean();
    if (refused && !was_completed) return absl::UnavailableError("an output file is being swept, store it again");
    return moved || was_completed;
  };
  return offload<absl::StatusOr<bool>>(pool_, strand_, std::move(work));
}

base::Task<absl::Status> ExecutionStore::record_progress(std::vector<ports::ProgressWrite> writes) {
  auto work = [writes = std::move(writes)](Session& session) -> absl::Status {
    if (writes.empty()) return absl::OkStatus();
    const auto microseconds = [](const std::optional<absl::Duration>& age) {
      return age ? std::max<std::int64_t>(0, absl::ToInt64Microseconds(*age)) : -1;
    };
    std::vector<std::int64_t> ids, epochs, percents, silences, told;
    std::vector<std::string> nodes, messages;
    for (const ports::ProgressWrite& write : writes) {
      ids.push_back(write.id.value);
      epochs.push_back(write.epoch.value);
      percents.push_back(write.percent);
      nodes.push_back(write.current_node);
      silences.push_back(microseconds(write.silent_for));
      messages.push_back(write.message);
      told.push_back(microseconds(write.silence_told));
    }
    Params params = Params().array(ids).array(epochs).array(percents).array(nodes).array(silences);
    session.run(sql::kRecordProgress, params.array(messages).array(told));
    return absl::OkStatus();
  };
  return offload<absl::Status>(pool_, strand_, std::move(work));
}

base::Task<absl::Status> ExecutionStore::record_heard(ports::ExecutionId id, ports::Epoch epoch,
                                                      ports::HeardWrite heard) {
  auto work = [id, epoch, heard = std::move(heard)](Session& session) -> absl::Status {
    Params params = Params().add(id).add(epoch).maybe(heard.end).maybe(heard.outputs).add(heard.whole);
    session.run(sql::kRecordHeard, add_error(params, heard.error).maybe(unix_ms(heard.prompt_ended_at)));
    return absl::OkStatus();
  };
  return offload<absl::Status>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<bool>> ExecutionStore::record_limit(ports::ExecutionId id, ports::Epoch epoch,
                                                              std::string code) {
  auto work = [id, epoch, code = std::move(code)](Session& session) -> absl::StatusOr<bool> {
    return !session.run(sql::kRecordLimit, Params().add(id).add(epoch).add(code)).empty();
  };
  return offload<absl::StatusOr<bool>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<bool>> ExecutionStore::close_circuit(ports::InstanceId instance, ports::Epoch epoch,
                                                               int circuit_version) {
  auto work = [instance, epoch, circuit_version](Session& session) -> absl::StatusOr<bool> {
    return !session.run(sql::kCloseCircuit, Params().add(instance).add(epoch).add(circuit_version)).empty();
  };
  return offload<absl::StatusOr<bool>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<bool>> ExecutionStore::quarantine(ports::InstanceId instance, ports::Epoch epoch,
                                                            ports::ExecutionId by, domain::Quarantine reason) {
  auto work = [instance, epoch, by, reason](Session& session) -> absl::StatusOr<bool> {
    const Params params = Params().add(instance).add(epoch).add(by).add(domain::to_string(reason));
    return !session.run(sql::kQuarantine, params).empty();
  };
  return offload<absl::StatusOr<bool>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<bool>> ExecutionStore::lift_quarantine(ports::InstanceId instance, ports::Epoch epoch,
                                                                 ports::ExecutionId by, std::string stray_outcome) {
  auto work = [instance, epoch, by, outcome = std::move(stray_outcome)](Session& session) -> absl::StatusOr<bool> {
    return !session.run(sql::kLiftQuarantine, Params().add(instance).add(epoch).add(by).add(outcome)).empty();
  };
  return offload<absl::StatusOr<bool>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<bool>> ExecutionStore::record_stray(ports::ExecutionId id, ports::InstanceId instance,
                                                              ports::Epoch epoch, std::string outcome) {
  auto work = [id, instance, epoch, outcome = std::move(outcome)](Session& session) -> absl::StatusOr<bool> {
    return !session.run(sql::kRecordStray, Params().add(id).add(instance).add(epoch).add(outcome)).empty();
  };
  return offload<absl::StatusOr<bool>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::InstanceId>>> ExecutionStore::set_instance_states(
    std::vector<ports::InstanceState> states) {
  auto work = [states = std::move(states)](Session& session) -> absl::StatusOr<std::vector<ports::InstanceId>> {
    std::vector<std::int64_t> ids, epochs, attempts;
    std::vector<std::string> statuses, reasons;
    for (const ports::InstanceState& state : states) {
      ids.push_back(state.id.value);
      epochs.push_back(state.epoch.value);
      statuses.emplace_back(domain::to_string(state.status));
      attempts.push_back(state.reconnect_attempts);
      reasons.push_back(state.reason);
    }
    const Params params = Params().array(ids).array(epochs).array(statuses).array(attempts).array(reasons);
    std::vector<ports::InstanceId> ours;
    const pqxx::result result = session.run(sql::kSetInstanceStates, params);
    for (const auto& columns : result) ours.push_back(ports::InstanceId{columns[0].as<std::int64_t>()});
    std::sort(ours.begin(), ours.end());
    return ours;
  };
  return offload<absl::StatusOr<std::vector<ports::InstanceId>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<bool>> ExecutionStore::set_capabilities(ports::InstanceId id, ports::Epoch epoch,
                                                                  domain::Capabilities capabilities) {
  auto work = [id, epoch, capabilities = std::move(capabilities)](Session& session) -> absl::StatusOr<bool> {
    const std::string digest = domain::digest_of(capabilities);
    if (!session.run(sql::kTouchCapabilities, Params().add(id).add(epoch).add(digest)).empty()) return true;
    Params params = Params().add(id).add(epoch).add(digest).add(capabilities.comfyui_version);
    params.add(domain::devices_json(capabilities)).array(capabilities.node_classes);
    params.add(domain::models_json(capabilities)).add(capabilities.complete);
    return !session.run(sql::kSetCapabilities, params).empty();
  };
  return offload<absl::StatusOr<bool>>(pool_, strand_, std::move(work));
}

base::Task<absl::Status> ExecutionStore::set_witness(ports::InstanceId instance, ports::Epoch epoch,
                                                     std::string prompt_id) {
  auto work = [instance, epoch, prompt_id = std::move(prompt_id)](Session& session) -> absl::Status {
    session.run(sql::kSetWitness, Params().add(instance).add(epoch).add(prompt_id));
    return absl::OkStatus();
  };
  return offload<absl::Status>(pool_, strand_, std::move(work));
}

}  // namespace renderyard::postgres
