// One simulated process with nothing in it, for tests of the async kit: time moves only when nothing can run.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <optional>
#include <utility>

#include "libs/common/base/group.h"
#include "libs/common/testing/sim/process.h"
#include "libs/common/testing/sim/world.h"

namespace renderyard::base {

class OneProcess {
 public:
  explicit OneProcess(std::uint64_t seed = 1) : world_(seed), process_(world_.start("process")) {}

  testing::sim::World& world() { return world_; }
  testing::sim::Process& process() { return process_; }
  Strand& strand() { return process_.strand(); }
  Clock& clock() { return process_.clock(); }
  absl::Time in(absl::Duration d) { return process_.clock().now() + d; }
  absl::Duration elapsed() const { return world_.elapsed(); }

  // Starts a root task; `*done` says how it ended. `done` must outlive the process.
  void start(Task<absl::Status> task, std::optional<absl::Status>* done) {
    spawn_root(strand(), std::move(task), [done](absl::Status status) { *done = std::move(status); });
  }
  // Runs all that is ready now, without moving time.
  void settle() { world_.run_to(world_.now()); }
  // Runs the task to its end, for at most an hour of simulated time.
  absl::Status run(Task<absl::Status> task) {
    std::optional<absl::Status> done;
    start(std::move(task), &done);
    world_.run_until([&done] { return done.has_value(); }, world_.now() + absl::Hours(1));
    if (!done) {
      world_.kill(process_);
      return absl::InternalError("the task did not end");
    }
    return *done;
  }

 private:
  testing::sim::World world_;
  testing::sim::Process& process_;
};

}  // namespace renderyard::base
