// Quarantine and circuit of instances on an open transaction of the fake database; used by FakeExecutionStore.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "libs/common/ports/execution_store.h"
#include "libs/common/testing/fake_database.h"

namespace renderyard::testing {

// What a step of an execution says of its instance.
absl::Status write_fitness(Transaction& txn, const ports::Advance& step, ports::InstanceId instance);
absl::StatusOr<bool> reset_circuit(Transaction& txn, ports::InstanceId instance, ports::Epoch epoch,
                                   int circuit_version);
absl::StatusOr<bool> begin_quarantine(Transaction& txn, ports::InstanceId instance, ports::Epoch epoch,
                                      ports::ExecutionId by, domain::Quarantine reason);
absl::StatusOr<bool> end_quarantine(Transaction& txn, ports::InstanceId instance, ports::Epoch epoch,
                                    ports::ExecutionId by, const std::string& stray_outcome);

// May get work besides being connected and leased: not in quarantine, circuit not open.
bool is_fit(const ports::InstanceRow& row, absl::Time now);
// Half-open: one execution at a time, in the first slot.
bool lets_only_one_through(const ports::InstanceRow& row);

}  // namespace renderyard::testing
