// The table of faults, the plan drawn from the seed, and its execution. A fault comes at a drawn time, or right when an
// execution has reached a drawn state, then a drawn number of scheduler steps later: so that kills fall into the middle
// of things and not only between them. All faults stop at stop_all().
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/coverage.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/park.h"

namespace renderyard::simulation {

enum class FaultKind {
  kKillBridge,
  kKillDispatcher,
  kKillGateway,
  kStopBridge,
  kStopDispatcher,
  kStopGateway,
  kComfyPost,  // one of FakeComfy::PostFault, for the next POST
  kComfyRefuse,
  kComfyDie,
  kComfyForgetHistory,
  kComfyForgetAll,
  kComfyForgetsEnded,   // each prompt's history is cleared as soon as it has ended
  kComfyGapAndForgets,  // so it is, and the sockets break and stay away for a moment
  kComfyDropSockets,
  kComfyDeaf,
  kComfyOverwrites,  // outputs are overwritten soon after their prompt's end, and the artifact store is full till then
  kComfyHistoryLag,
  kComfySick,
  kComfySlow,
  kDatabaseAway,
  kDatabaseAnswersLost,
  kDatabaseHeld,
  kCallsLost,
  kStreamsBreak,
  kHintsLost,
  kArtifactsFull,
  kRedisAway,
  kInstanceDrained,
  kInstanceDisabled,
  kInstanceMoved,  // to another server, and the old one is removed
  kInstanceRemoved,
};

std::string to_string(FaultKind kind, testing::FakeComfy::PostFault post);

struct PlannedFault {
  FaultKind kind = FaultKind::kKillBridge;
  testing::FakeComfy::PostFault post = testing::FakeComfy::PostFault::kBusy503;
  absl::Duration at;                                  // when it is not bound to a state: after the start
  std::optional<ports::ExecutionState> when_reached;  // armed from `at` on
  int extra_steps = 0;
  absl::Duration lasts;
  std::size_t comfy = 0;  // of ComfyUI faults without a state
};

std::vector<PlannedFault> plan_faults(base::Random& random, std::size_t comfies, absl::Duration span);

// A fault as it happened.
struct FaultRecord {
  FaultKind kind;
  testing::FakeComfy::PostFault post;
  absl::Time at;
  absl::Time until;
  int comfy = -1;  // index of the ComfyUI server it hit; -1 = none
};

class Faults {
 public:
  // `instances`: how many the park has.
  Faults(Park& park, std::vector<PlannedFault> plan, int instances);

  void start();
  // After every step of the world.
  void after_step();
  // After every commit: executions may have reached the states that faults wait for.
  void executions_moved();
  // What still waits for a state comes now; and at least kLeast faults come in every run.
  void top_up();
  static constexpr int kLeast = 5;
  // Everything is well again from now on.
  void stop_all();

  // A fault of the bridge that somebody else brings about: for the checks.
  void note(FaultKind kind, absl::Duration lasts);

  const std::vector<FaultRecord>& records() const { return records_; }
  const Coverage& coverage() const { return coverage_; }
  // Executions whose POST met a fault.
  const std::map<base::ExecutionId, FaultRecord>& post_faults() const { return post_faults_; }
  // Executions that stood in submitting when their bridge died or stopped, or the database went away.
  const std::set<base::ExecutionId>& disturbed() const { return disturbed_; }
  int happened() const { return static_cast<int>(records_.size()); }

 private:
  struct Pending {
    int steps;
    PlannedFault fault;
  };

  void apply(const PlannedFault& fault);
  void apply_process(const PlannedFault& fault);
  void apply_comfy(const PlannedFault& fault);
  void apply_outside(const PlannedFault& fault);
  void apply_operator(const PlannedFault& fault);
  void later(absl::Duration delay, std::function<void()> what);
  void note_disturbed();
  // Counts the states of the live executions of one instance (or of all).
  void count_states(const std::string& name, int comfy);

  Park& park_;
  Operator operator_;
  std::vector<PlannedFault> plan_;
  std::vector<PlannedFault> armed_;
  std::vector<Pending> pending_;
  std::map<base::ExecutionId, ports::ExecutionState> last_states_;
  std::vector<FaultRecord> records_;
  std::map<base::ExecutionId, FaultRecord> post_faults_;
  std::set<base::ExecutionId> disturbed_;
  Coverage coverage_;
  bool stopped_ = false;
};

}  // namespace renderyard::simulation
