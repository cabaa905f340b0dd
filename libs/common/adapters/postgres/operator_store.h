// ports::OperatorStore on PostgreSQL; statements in operator_store_sql.h.
#pragma once

#include "libs/common/adapters/postgres/pool.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/operator_store.h"

namespace renderyard::postgres {

class OperatorStore final : public ports::OperatorStore {
 public:
  // Both must outlive the store and everything it waits for.
  OperatorStore(Pool& pool, base::Strand& strand) : pool_(pool), strand_(strand) {}

  base::Task<absl::StatusOr<ports::OperatorNote>> note(ports::JobId job, bool ran, ports::Operator by) override;
  base::Task<absl::StatusOr<ports::GivenUp>> give_up(ports::JobId job, ports::Operator by) override;
  base::Task<absl::StatusOr<ports::FreedSlot>> free_slot(std::string instance, int slot_no,
                                                         ports::Operator by) override;
  base::Task<absl::StatusOr<std::vector<ports::OperatorRecord>>> actions(std::optional<ports::JobId> job,
                                                                         int limit) override;

 private:
  Pool& pool_;
  base::Strand& strand_;
};

}  // namespace renderyard::postgres
