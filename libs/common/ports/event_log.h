// The parts of the position scheme that need the database (docs/positions.md): job_events.id is not commit-ordered, so
// a reader may only go up to a bound below which nothing can still commit. Adapter: adapters/postgres; fake:
// testing/fake_stores.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "libs/common/base/task.h"
#include "libs/common/ports/job_store.h"
#include "libs/common/ports/model.h"

namespace renderyard::ports {

class EventLog {
 public:
  virtual ~EventLog() = default;
  // Step 1: the last event id drawn from the sequence; 0 when none was.
  virtual base::Task<absl::StatusOr<std::int64_t>> last_issued_id() = 0;
  // Step 2: a fresh transaction's own id (64 bit), in a transaction that begins after step 1 and is rolled back.
  virtual base::Task<absl::StatusOr<std::uint64_t>> fresh_transaction_id() = 0;
  // Step 3: every transaction with an id below this has ended.
  virtual base::Task<absl::StatusOr<std::uint64_t>> oldest_running_transaction_id() = 0;
  // Step 4: events of all users, in id order.
  virtual base::Task<absl::StatusOr<std::vector<JobEvent>>> read(std::int64_t after, std::int64_t upto, int limit) = 0;
  virtual base::Task<absl::StatusOr<ClusterMeta>> cluster() = 0;
};

}  // namespace renderyard::ports
