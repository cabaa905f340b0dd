// ports::DispatchStore on PostgreSQL; statements in dispatch_store_sql.h.
#pragma once

#include "libs/common/adapters/postgres/pool.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/dispatch_store.h"

namespace renderyard::postgres {

class DispatchStore : public ports::DispatchStore {
 public:
  // Both must outlive the store and everything it waits for.
  DispatchStore(Pool& pool, base::Strand& strand) : pool_(pool), strand_(strand) {}

  base::Task<absl::StatusOr<ports::Fleet>> fleet() override;
  base::Task<absl::StatusOr<std::vector<ports::Candidate>>> candidates(int limit) override;
  base::Task<absl::StatusOr<std::vector<ports::ClaimedExecution>>> claim(std::vector<ports::Assignment> wanted,
                                                                         std::string claimed_by) override;
  base::Task<absl::StatusOr<std::vector<ports::StaleAssignment>>> stale_assigned(absl::Duration age,
                                                                                 int limit) override;
  base::Task<absl::StatusOr<bool>> withdraw(ports::ExecutionId execution, std::string reason) override;
  base::Task<absl::StatusOr<std::vector<ports::UnsettledExecution>>> unsettled(absl::Duration min_age,
                                                                               int limit) override;
  base::Task<absl::StatusOr<std::vector<ports::JobId>>> settle(std::vector<ports::Settlement> settlements) override;
  base::Task<absl::StatusOr<int>> cancel_wished(int limit) override;
  base::Task<absl::StatusOr<int>> fail_waited(ports::JobError error, int limit) override;
  base::Task<absl::Status> set_waiting_reason(std::string reason) override;

 private:
  Pool& pool_;
  base::Strand& strand_;
};

}  // namespace renderyard::postgres
