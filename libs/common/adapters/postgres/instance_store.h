// ports::InstanceStore on PostgreSQL; statements in instance_store_sql.h.
#pragma once

#include "libs/common/adapters/postgres/pool.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/instance_store.h"

namespace renderyard::postgres {

class InstanceStore final : public ports::InstanceStore {
 public:
  // Both must outlive the store and everything it waits for.
  InstanceStore(Pool& pool, base::Strand& strand) : pool_(pool), strand_(strand) {}

  base::Task<absl::StatusOr<ports::InstanceRow>> add(ports::NewInstance instance) override;
  base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> list() override;
  base::Task<absl::StatusOr<ports::InstanceRow>> set_enabled(std::string name, bool enabled) override;

 private:
  Pool& pool_;
  base::Strand& strand_;
};

}  // namespace renderyard::postgres
