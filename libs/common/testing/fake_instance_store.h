// InstanceStore on the fake database, one handle per process.
#pragma once

#include "libs/common/ports/instance_store.h"
#include "libs/common/testing/fake_store.h"

namespace renderyard::testing {

class FakeInstanceStore final : public ports::InstanceStore, private FakeStore {
 public:
  using FakeStore::FakeStore;

  base::Task<absl::StatusOr<ports::InstanceRow>> add(ports::NewInstance instance) override;
  base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> list(bool with_removed) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> get(std::string name) override;
  base::Task<absl::StatusOr<std::optional<ports::KnownCapabilities>>> capabilities(ports::InstanceId id) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> change(std::string name, ports::InstanceChange change) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> set_enabled(std::string name, bool enabled) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> set_draining(std::string name, bool draining) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> remove(std::string name) override;
  base::Task<absl::StatusOr<ports::InstanceRow>> release(std::string name) override;
};

}  // namespace renderyard::testing
