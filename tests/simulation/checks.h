// The promises, checked against what really happened: the database's tables, the ledgers of the ComfyUI servers, and
// what the workload and its watchers were told.
#pragma once

#include <map>

#include "tests/simulation/faults.h"
#include "tests/simulation/park.h"
#include "tests/simulation/workload.h"

namespace renderyard::simulation {

// Cheap, after every commit: a final state never changes, nobody else's edge is walked.
class RunningChecks {
 public:
  explicit RunningChecks(Park& park) : park_(park) {}
  void after_commit();
  bool every_job_final() const;

 private:
  Park& park_;
  std::map<base::JobId, ports::JobStatus> finals_;
  std::size_t defects_seen_ = 0;
};

// When every job is final, or was given ten minutes to become so.
void check_all(Park& park, const Workload& workload, const Faults& faults);

}  // namespace renderyard::simulation
