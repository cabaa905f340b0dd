// OperatorStore on the fake database, one handle per process.
#pragma once

#include "libs/common/ports/operator_store.h"
#include "libs/common/testing/fake_store.h"

namespace renderyard::testing {

class FakeOperatorStore final : public ports::OperatorStore, private FakeStore {
 public:
  using FakeStore::FakeStore;

  base::Task<absl::StatusOr<ports::OperatorNote>> note(ports::JobId job, bool ran, ports::Operator by) override;
  base::Task<absl::StatusOr<ports::GivenUp>> give_up(ports::JobId job, ports::Operator by) override;
  base::Task<absl::StatusOr<ports::FreedSlot>> free_slot(std::string instance, int slot_no,
                                                         ports::Operator by) override;
  base::Task<absl::StatusOr<std::vector<ports::OperatorRecord>>> actions(std::optional<ports::JobId> job,
                                                                         int limit) override;
};

}  // namespace renderyard::testing
