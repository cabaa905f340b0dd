// The workload: somebody who submits jobs and repeats what was not answered, and watchers who come back with their last
// position. It lives in a process of its own that is never killed; what it was told is what the promises are about.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "libs/common/testing/sim/process.h"
#include "tests/simulation/door.h"
#include "tests/simulation/park.h"

namespace renderyard::simulation {

struct OrderedJob {
  PlannedJob plan;
  std::optional<base::JobId> id;  // acknowledged
  int attempts = 0;
  bool given_up = false;      // never acknowledged (it had no key to repeat it with)
  bool cancel_asked = false;  // a cancel was sent, whatever came of it
  bool cancel_answered = false;
};

// What one subscriber has been told, over all its connections.
struct Watcher {
  struct Heard {
    std::int64_t id = 0;
    base::JobId job;
    int seq = 0;
    std::string type;
  };

  int n = 0;
  bool started = false;
  std::int64_t first_bound = 0;             // of its first snapshot: it must hear every event above,
  std::map<base::JobId, int> snapshot_seq;  // but those the snapshot's rows showed already
  std::string position;
  std::int64_t last_id = 0;
  std::vector<Heard> heard;
  std::map<base::JobId, int> percent;  // of the present connection
  std::set<base::JobId> ended;
  int reconnects = 0;
  int progress_heard = 0;
};

// One of each kind, the last one a minute after the others.
std::vector<PlannedJob> plan_few_jobs(base::Random& random);

class Workload {
 public:
  Workload(Park& park, std::vector<PlannedJob> plan, int watchers);

  void start();
  // Every planned job is acknowledged or given up.
  bool submitted() const;
  const std::vector<OrderedJob>& jobs() const { return jobs_; }
  const std::vector<Watcher>& watchers() const { return watchers_; }
  // Every watcher has heard of everything up to this event.
  bool caught_up(std::int64_t last_event) const;

 private:
  base::Task<absl::Status> submit_one(OrderedJob* job);
  base::Task<absl::Status> cancel_one(OrderedJob* job);
  base::Task<absl::Status> watch(Watcher* watcher);
  void hear(Watcher& watcher, const gateway::FeedMessage& message);
  void hear_event(Watcher& watcher, const gateway::FeedMessage& message);
  void hear_progress(Watcher& watcher, const gateway::FeedMessage& message);

  Park& park_;
  sim::Process& process_;
  std::vector<OrderedJob> jobs_;
  std::vector<Watcher> watchers_;
  Door door_;
};

// At least 20 jobs, drawn.
std::vector<PlannedJob> plan_jobs(base::Random& random);

}  // namespace renderyard::simulation
