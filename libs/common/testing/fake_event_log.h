// EventLog on the fake database, one handle per process.
#pragma once

#include "libs/common/ports/event_log.h"
#include "libs/common/testing/fake_store.h"

namespace renderyard::testing {

class FakeEventLog final : public ports::EventLog, private FakeStore {
 public:
  using FakeStore::FakeStore;

  base::Task<absl::StatusOr<std::int64_t>> last_issued_id() override;
  base::Task<absl::StatusOr<std::uint64_t>> fresh_transaction_id() override;
  base::Task<absl::StatusOr<std::uint64_t>> oldest_running_transaction_id() override;
  base::Task<absl::StatusOr<std::vector<ports::JobEvent>>> read(std::int64_t after, std::int64_t upto,
                                                                int limit) override;
  base::Task<absl::StatusOr<ports::ClusterMeta>> cluster() override;
};

}  // namespace renderyard::testing
