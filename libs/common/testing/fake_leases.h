// Leases and instance state on an open transaction of the fake database; used by FakeExecutionStore.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <optional>
#include <string>
#include <vector>

#include "libs/common/ports/execution_store.h"
#include "libs/common/testing/fake_database.h"

namespace renderyard::testing {

enum class Acquisition { kOwn, kExpired };

absl::StatusOr<std::vector<ports::Lease>> take_leases(Transaction& txn, const ports::BridgeIdentity& who,
                                                      absl::Duration ttl, Acquisition which, int limit);
std::vector<ports::InstanceId> renew_leases(Transaction& txn, const ports::BridgeIdentity& who,
                                            const std::vector<ports::Lease>& leases, absl::Duration ttl);
// See ports::ExecutionStore::outlived().
absl::Status end_adoption_runs(Transaction& txn, const std::vector<ports::Lease>& leases, absl::Duration age);
// Free slots that are too many.
void drop_slots(Transaction& txn, ports::InstanceId instance);
// Of an instance that was removed and is empty.
absl::Status forget_removed_access(Transaction& txn, ports::InstanceId instance);
absl::Status release_leases(Transaction& txn, const std::vector<ports::Lease>& leases);
// Is this the epoch of the instance's lease, live or not?
bool holds_lease(const FakeTables& tables, ports::InstanceId instance, ports::Epoch epoch);
absl::StatusOr<bool> write_instance_state(Transaction& txn, const ports::InstanceState& state);
absl::Status write_witness(Transaction& txn, ports::InstanceId instance, ports::Epoch epoch,
                           const std::string& prompt_id);

}  // namespace renderyard::testing
