// The writes of the dispatcher that move a job: withdraw, settle, cancel_wished, on an open transaction of the fake
// database. Separate from the store so that each file stays small.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "libs/common/ports/dispatch_store.h"
#include "libs/common/testing/fake_database.h"

namespace renderyard::testing {

absl::StatusOr<bool> withdraw_execution(Transaction& txn, ports::ExecutionId execution, const std::string& reason);
absl::StatusOr<std::vector<ports::JobId>> settle_jobs(Transaction& txn, std::vector<ports::Settlement> settlements);
absl::StatusOr<int> cancel_wished_jobs(Transaction& txn, int limit);
absl::StatusOr<int> fail_waited_jobs(Transaction& txn, const ports::JobError& error, int limit);

}  // namespace renderyard::testing
