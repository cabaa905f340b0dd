#include "libs/common/testing/fake_fitness.h"

#include "libs/common/base/status_macros.h"
#include "libs/common/testing/fake_leases.h"

namespace renderyard::testing {

namespace {

void enter(ports::InstanceRow& row, ports::ExecutionId by, domain::Quarantine reason, absl::Time now) {
  if (row.quarantined_at) return;
  row.quarantined_at = now;
  row.quarantine = reason;
  row.quarantined_by = by;
}

}  // namespace

absl::Status write_fitness(Transaction& txn, const ports::Advance& step, ports::InstanceId instance) {
  if (!step.quarantine && !step.circuit) return absl::OkStatus();
  InstanceRecord record = *txn.database().instance(instance);
  if (step.quarantine) enter(record.row, step.id, *step.quarantine, txn.now());
  if (step.circuit && record.row.circuit_version == step.circuit_version) record.row.circuit = *step.circuit;
  return txn.put(record);
}

absl::StatusOr<bool> reset_circuit(Transaction& txn, ports::InstanceId instance, ports::Epoch epoch,
                                   int circuit_version) {
  if (!holds_lease(txn.tables(), instance, epoch)) return false;
  InstanceRecord record = *txn.database().instance(instance);
  if (record.row.circuit_version != circuit_version) return false;
  record.row.circuit = {};
  RETURN_IF_ERROR(txn.put(record));
  return true;
}

absl::StatusOr<bool> begin_quarantine(Transaction& txn, ports::InstanceId instance, ports::Epoch epoch,
                                      ports::ExecutionId by, domain::Quarantine reason) {
  if (!holds_lease(txn.tables(), instance, epoch)) return false;
  InstanceRecord record = *txn.database().instance(instance);
  enter(record.row, by, reason, txn.now());
  RETURN_IF_ERROR(txn.put(record));
  return true;
}

absl::StatusOr<bool> end_quarantine(Transaction& txn, ports::InstanceId instance, ports::Epoch epoch,
                                    ports::ExecutionId by, const std::string& stray_outcome) {
  if (!holds_lease(txn.tables(), instance, epoch)) return false;
  InstanceRecord record = *txn.database().instance(instance);
  if (record.row.quarantined_by == by) {
    record.row.quarantined_at.reset();
    record.row.quarantine.reset();
    record.row.quarantined_by.reset();
    RETURN_IF_ERROR(txn.put(record));
  }
  const ExecutionRecord* found = txn.database().execution(by);
  if (stray_outcome.empty() || found == nullptr || !found->row.stray_seen_at) return true;
  ExecutionRecord execution = *found;
  execution.row.stray_outcome = stray_outcome;
  RETURN_IF_ERROR(txn.put(execution, domain::Owner::kBridge));
  return true;
}

bool is_fit(const ports::InstanceRow& row, absl::Time now) {
  return !row.quarantined_at && domain::state_of(row.circuit, now) != domain::CircuitState::kOpen;
}

bool lets_only_one_through(const ports::InstanceRow& row) {
  return row.circuit.open_until.has_value();
}

}  // namespace renderyard::testing
