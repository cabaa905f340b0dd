#include "libs/common/testing/fake_leases.h"

#include <algorithm>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/testing/fake_text.h"

namespace renderyard::testing {

namespace {

// Somebody has to follow the instance: it may get work, or it still has some.
bool needs_owner(FakeDatabase& database, const ports::InstanceRow& row) {
  return (row.is_enabled && !row.removed_at) || database.has_live_execution(row.id);
}

absl::Status adopt_executions(Transaction& txn, ports::InstanceId instance, ports::Epoch epoch) {
  std::vector<ExecutionRecord> adopted;
  for (const auto& [id, execution] : txn.tables().executions) {
    const auto state = execution.row.state;
    if (execution.row.instance_id != instance || domain::is_final(state)) continue;
    if (state != ports::ExecutionState::kAssigned) adopted.push_back(execution);
  }
  for (ExecutionRecord& execution : adopted) {
    execution.row.owner_epoch = epoch;
    ++execution.row.adoptions;
    const bool goes_on =
        execution.adopted_at && *execution.adopted_at > txn.now() - absl::Seconds(domain::kAdoptionGapSecs);
    execution.row.adoption_run = goes_on ? execution.row.adoption_run + 1 : 1;
    execution.adopted_at = txn.now();
    RETURN_IF_ERROR(txn.put(execution, domain::Owner::kBridge));
  }
  return absl::OkStatus();
}

}  // namespace

bool holds_lease(const FakeTables& tables, ports::InstanceId instance, ports::Epoch epoch) {
  const auto it = tables.leases.find(instance);
  return it != tables.leases.end() && it->second.epoch == epoch;
}

absl::StatusOr<std::vector<ports::Lease>> take_leases(Transaction& txn, const ports::BridgeIdentity& who,
                                                      absl::Duration ttl, Acquisition which, int limit) {
  RETURN_IF_ERROR(check_text("owner", who.owner));
  RETURN_IF_ERROR(check_text("address", who.address));
  std::vector<ports::Lease> taken;
  for (const auto& [id, instance] : txn.tables().instances) {
    if (static_cast<int>(taken.size()) >= limit) break;
    if (!needs_owner(txn.database(), instance.row)) continue;
    const auto held = txn.tables().leases.find(id);
    const bool absent = held == txn.tables().leases.end();
    const bool wanted = which == Acquisition::kOwn ? !absent && held->second.owner == who.owner
                                                   : absent || held->second.expires_at <= txn.now();
    if (!wanted) continue;
    ports::Lease lease;
    lease.instance_id = id;
    lease.epoch = ports::Epoch{absent ? 1 : held->second.epoch.value + 1};
    if (!absent) lease.previous_owner = held->second.owner;
    if (!absent) lease.previous_lock = held->second.lock;
    LeaseRecord record;
    record.owner = who.owner;
    record.address = who.address;
    record.epoch = lease.epoch;
    record.lock = who.lock;
    record.expires_at = txn.now() + ttl;
    txn.put(id, record);
    RETURN_IF_ERROR(adopt_executions(txn, id, lease.epoch));
    taken.push_back(std::move(lease));
  }
  return taken;
}

std::vector<ports::InstanceId> renew_leases(Transaction& txn, const ports::BridgeIdentity& who,
                                            const std::vector<ports::Lease>& leases, absl::Duration ttl) {
  std::vector<ports::InstanceId> renewed;
  for (const auto& lease : leases) {
    const auto held = txn.tables().leases.find(lease.instance_id);
    if (held == txn.tables().leases.end()) continue;
    if (held->second.owner != who.owner || held->second.epoch != lease.epoch) continue;
    LeaseRecord record = held->second;
    record.expires_at = txn.now() + ttl;
    txn.put(lease.instance_id, record);
    renewed.push_back(lease.instance_id);
    drop_slots(txn, lease.instance_id);
  }
  return renewed;
}

absl::Status end_adoption_runs(Transaction& txn, const std::vector<ports::Lease>& leases, absl::Duration age) {
  std::vector<ExecutionRecord> outlived;
  for (const auto& [id, execution] : txn.tables().executions) {
    const ports::ExecutionRow& row = execution.row;
    const bool theirs = std::any_of(leases.begin(), leases.end(), [&row](const ports::Lease& lease) {
      return lease.instance_id == row.instance_id && row.owner_epoch == lease.epoch;
    });
    const bool in_a_run = row.adoption_run > 0 && row.adoption_run < domain::kPoisonedRun && execution.adopted_at &&
                          *execution.adopted_at <= txn.now() - age;
    if (theirs && in_a_run && !domain::is_final(row.state)) outlived.push_back(execution);
  }
  for (ExecutionRecord& execution : outlived) {
    execution.row.adoption_run = 0;
    RETURN_IF_ERROR(txn.put(execution, domain::Owner::kBridge));
  }
  return absl::OkStatus();
}

void drop_slots(Transaction& txn, ports::InstanceId instance) {
  const int slots = txn.database().instance(instance)->row.slots;
  std::vector<SlotKey> too_many;
  for (auto it = txn.tables().slots.lower_bound(SlotKey(instance, slots));
       it != txn.tables().slots.end() && it->first.first == instance; ++it) {
    if (!it->second) too_many.push_back(it->first);
  }
  for (const SlotKey& key : too_many) txn.drop_slot(key);
}

absl::Status forget_removed_access(Transaction& txn, ports::InstanceId instance) {
  InstanceRecord record = *txn.database().instance(instance);
  if (!record.row.removed_at || txn.database().has_live_execution(instance)) return absl::OkStatus();
  record.headers.clear();
  return txn.put(record);
}

absl::Status release_leases(Transaction& txn, const std::vector<ports::Lease>& leases) {
  for (const auto& lease : leases) {
    RETURN_IF_ERROR(forget_removed_access(txn, lease.instance_id));
    if (!holds_lease(txn.tables(), lease.instance_id, lease.epoch)) continue;
    LeaseRecord record = txn.tables().leases.at(lease.instance_id);
    record.expires_at = txn.now();
    txn.put(lease.instance_id, record);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> write_instance_state(Transaction& txn, const ports::InstanceState& state) {
  if (!holds_lease(txn.tables(), state.id, state.epoch)) return false;
  InstanceRecord instance = *txn.database().instance(state.id);
  const bool was_connected = instance.row.status == ports::InstanceStatus::kConnected;
  const bool is_connected = state.status == ports::InstanceStatus::kConnected;
  if (is_connected && !was_connected) instance.row.last_connected_at = txn.now();
  if (was_connected && !is_connected) instance.row.last_disconnected_at = txn.now();
  instance.row.status = state.status;
  instance.row.reconnect_attempts = state.reconnect_attempts;
  instance.row.status_reason.reset();
  if (!state.reason.empty()) instance.row.status_reason = state.reason;
  RETURN_IF_ERROR(txn.put(instance));
  return true;
}

absl::Status write_witness(Transaction& txn, ports::InstanceId instance, ports::Epoch epoch,
                           const std::string& prompt_id) {
  if (!holds_lease(txn.tables(), instance, epoch)) return absl::OkStatus();
  InstanceRecord record = *txn.database().instance(instance);
  record.witness_prompt_id = prompt_id;
  return txn.put(record);
}

}  // namespace renderyard::testing
