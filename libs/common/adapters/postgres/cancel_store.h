// ports::CancelStore on PostgreSQL; the wish's statements stand in job_store_sql.h.
#pragma once

#include "libs/common/adapters/postgres/pool.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/cancel_store.h"

namespace renderyard::postgres {

class CancelStore final : public ports::CancelStore {
 public:
  // Both must outlive the store and everything it waits for.
  CancelStore(Pool& pool, base::Strand& strand) : pool_(pool), strand_(strand) {}

  base::Task<absl::Status> wish(ports::JobId job) override;
  base::Task<absl::StatusOr<ports::JobEnd>> look(ports::JobId job) override;

 private:
  Pool& pool_;
  base::Strand& strand_;
};

}  // namespace renderyard::postgres
