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
  base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> list(bool with_removed) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> get(std::string name) override;
  base::Task<absl::StatusOr<std::optional<ports::KnownCapabilities>>> capabilities(ports::InstanceId id) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> change(std::string name, ports::InstanceChange change) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> set_enabled(std::string name, bool enabled) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> set_draining(std::string name, bool draining) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> remove(std::string name) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> release(std::string name) override;

 private:
  Pool& pool_;
  base::Strand& strand_;
};

}  // namespace renderyard::postgres
