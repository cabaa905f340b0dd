// JobStore on the fake database, one handle per process.
#pragma once

#include "libs/common/ports/job_store.h"
#include "libs/common/testing/fake_store.h"

namespace renderyard::testing {

class FakeJobStore final : public ports::JobStore, private FakeStore {
 public:
  using FakeStore::FakeStore;

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
};

}  // namespace renderyard::testing
