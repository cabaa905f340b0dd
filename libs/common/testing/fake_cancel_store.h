// CancelStore on the fake database, one handle per process.
#pragma once

#include "libs/common/ports/cancel_store.h"
#include "libs/common/testing/fake_store.h"

namespace renderyard::testing {

class FakeCancelStore final : public ports::CancelStore, private FakeStore {
 public:
  using FakeStore::FakeStore;

  base::Task<absl::Status> wish(ports::JobId job) override;
  base::Task<absl::StatusOr<ports::JobEnd>> look(ports::JobId job) override;
};

}  // namespace renderyard::testing
