// ports::EventLog on PostgreSQL: the steps of docs/positions.md.
#pragma once

#include "libs/common/adapters/postgres/pool.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/event_log.h"

namespace renderyard::postgres {

class EventLog final : public ports::EventLog {
 public:
  // Both must outlive the log and everything it waits for.
  EventLog(Pool& pool, base::Strand& strand) : pool_(pool), strand_(strand) {}

  base::Task<absl::StatusOr<std::int64_t>> last_issued_id() override;
  base::Task<absl::StatusOr<std::uint64_t>> fresh_transaction_id() override;
  base::Task<absl::StatusOr<std::uint64_t>> oldest_running_transaction_id() override;
  base::Task<absl::StatusOr<std::vector<ports::JobEvent>>> read(std::int64_t after, std::int64_t upto,
                                                                int limit) override;
  base::Task<absl::StatusOr<ports::ClusterMeta>> cluster() override;

 private:
  Pool& pool_;
  base::Strand& strand_;
};

}  // namespace renderyard::postgres
