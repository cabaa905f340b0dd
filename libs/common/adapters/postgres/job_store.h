// ports::JobStore on PostgreSQL; statements in job_store_sql.h.
#pragma once

#include "libs/common/adapters/postgres/pool.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/job_store.h"

namespace renderyard::postgres {

class JobStore final : public ports::JobStore {
 public:
  // Both must outlive the store and everything it waits for.
  JobStore(Pool& pool, base::Strand& strand) : pool_(pool), strand_(strand) {}

  base::Task<absl::StatusOr<ports::User>> authenticate(std::string token_sha256) override;
  base::Task<absl::StatusOr<ports::SubmittedJob>> submit(ports::NewJob job) override;
  base::Task<absl::StatusOr<ports::JobRow>> get(ports::JobId id) override;
  base::Task<absl::StatusOr<ports::JobRow>> get_by_uid(std::string uid) override;
  base::Task<absl::StatusOr<std::vector<ports::JobRow>>> list(ports::JobListQuery query) override;
  base::Task<absl::StatusOr<std::vector<ports::OutputRow>>> outputs(ports::JobId id) override;
  base::Task<absl::StatusOr<ports::CancelOutcome>> request_cancel(ports::JobId id, ports::UserId by) override;
  base::Task<absl::StatusOr<std::vector<ports::JobEvent>>> events(ports::EventQuery query) override;
  base::Task<absl::StatusOr<ports::ClusterMeta>> cluster() override;
  base::Task<absl::StatusOr<std::vector<std::string>>> bridge_addresses() override;

 private:
  Pool& pool_;
  base::Strand& strand_;
};

}  // namespace renderyard::postgres
