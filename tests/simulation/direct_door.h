// A door without a gateway: the job store and the dispatcher's stream themselves. Kept for runs that shall show the
// dispatcher and the bridge alone.
#pragma once

#include <string>

#include "libs/common/testing/fake_job_store.h"
#include "libs/common/testing/sim/network.h"
#include "libs/common/testing/sim/sim_database_link.h"
#include "tests/simulation/door.h"
#include "tests/simulation/park.h"

namespace renderyard::simulation {

class DirectDoor final : public Door {
 public:
  DirectDoor(sim::Process& process, Park& park);
  base::Task<absl::StatusOr<base::JobId>> submit(const PlannedJob& job) override;
  base::StreamPtr<Notice> watch(std::string since) override;

 private:
  sim::Process& process_;
  Park& park_;
  sim::SimDatabaseLink link_;
  testing::FakeJobStore store_;
  testing::FakeHints hints_;
  sim::SimDispatcherClient dispatchers_;
};

}  // namespace renderyard::simulation
