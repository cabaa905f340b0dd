// InstanceStore on the fake database, one handle per process.
#pragma once

#include "libs/common/ports/instance_store.h"
#include "libs/common/testing/fake_store.h"

namespace renderyard::testing {

class FakeInstanceStore final : public ports::InstanceStore, private FakeStore {
 public:
  using FakeStore::FakeStore;

  base::Task<absl::StatusOr<ports::InstanceRow>> add(ports::NewInstance instance) override;
  base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> list() override;
  base::Task<absl::StatusOr<ports::InstanceRow>> set_enabled(std::string name, bool enabled) override;
};

}  // namespace renderyard::testing
