// DispatchStore on the fake database, one handle per process.
#pragma once

#include "libs/common/ports/dispatch_store.h"
#include "libs/common/testing/fake_store.h"

namespace renderyard::testing {

class FakeDispatchStore final : public ports::DispatchStore, private FakeStore {
 public:
  using FakeStore::FakeStore;

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
};

}  // namespace renderyard::testing
