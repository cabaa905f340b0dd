// The wish to cancel on an open transaction of the fake database; JobStore and CancelStore share it.
#pragma once

#include <absl/status/statusor.h>

#include <optional>

#include "libs/common/ports/job_store.h"
#include "libs/common/testing/fake_database.h"

namespace renderyard::testing {

// `by`: absent is nobody in particular.
absl::StatusOr<ports::CancelOutcome> record_wish(Transaction& txn, ports::JobId id, std::optional<ports::UserId> by);

}  // namespace renderyard::testing
