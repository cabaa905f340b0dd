// The latest progress of every running job, from all bridges. Which bridges there are is asked from the database each
// second and on a hint; each is followed by a stream of its own, reopened for ever while it holds a lease.
//
// Of one job only what is newer counts: a message of an older execution, of an older lease epoch of the same execution,
// or with a lower percent is dropped, and nothing comes after the job's final event. So progress never goes backwards
// although several bridges, old and new, may speak of one job.
// Thread-safety: on the strand. Listeners are held weakly and must not call back into the hub from their callbacks.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "libs/common/base/clock.h"
#include "libs/common/base/event.h"
#include "libs/common/base/group.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/random.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/ports/job_store.h"
#include "libs/common/ports/peers.h"

namespace renderyard::gateway {

class ProgressHub {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_progress(const std::shared_ptr<const ports::Progress>& progress) = 0;
  };

  struct Deps {
    base::Strand& strand;
    base::Clock& clock;
    base::Random& random;
    base::Journal& journal;
    ports::JobStore& store;
    ports::BridgeClient& bridges;
  };
  struct Config {
    absl::Duration poll = absl::Seconds(1);  // for the bridges' addresses
    absl::Duration retry_first = absl::Milliseconds(100);
    absl::Duration retry_limit = absl::Seconds(1);
    std::size_t max_jobs = 100'000;       // progress of more jobs than this is not kept (they are shown without)
    std::size_t remember_ended = 16'384;  // jobs whose late progress is still recognised as late
  };

  ProgressHub(Deps deps, Config config);

  // Until cancelled; then all streams have ended.
  base::Task<absl::Status> run();
  // Look for bridges now (a hint came).
  void look() { look_.notify(); }

  // nullptr when nothing is known. Valid until the next await.
  const ports::Progress* latest(base::JobId job) const;
  // First what is known now, then what comes.
  void attach(std::shared_ptr<Listener> listener);
  // The job's final event was seen.
  void job_ended(base::JobId job);
  // Final events may have been missed: nothing that is kept can be trusted to be of a live job. The streams begin anew,
  // with the latest of what lives now.
  void forget_all();

  std::size_t bridges() const { return followers_.size(); }

 private:
  void follow_exactly(const std::vector<std::string>& addresses);
  base::Task<absl::Status> follow(std::string address);
  base::Task<absl::Status> read_all(std::string address);
  void apply(ports::Progress progress);

  Deps deps_;
  Config config_;
  base::Event look_;
  std::map<std::string, std::unique_ptr<base::Group>> followers_;
  std::vector<std::unique_ptr<base::Group>> ending_;
  std::map<base::JobId, std::shared_ptr<const ports::Progress>> latest_;
  std::set<base::JobId> ended_;
  std::deque<base::JobId> ended_order_;
  std::vector<std::weak_ptr<Listener>> listeners_;
};

}  // namespace renderyard::gateway
