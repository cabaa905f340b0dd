#include "tests/simulation/crash.h"

#include <utility>

namespace renderyard::simulation {

namespace {

constexpr absl::Duration kRestart = absl::Seconds(1);
constexpr absl::Duration kShortStop = absl::Seconds(3);
constexpr absl::Duration kLongStop = absl::Seconds(40);    // the lease runs out and another bridge takes over
constexpr absl::Duration kGhostLives = absl::Seconds(30);  // a replaced process, after it went on

}  // namespace

std::string_view to_string(CrashMode mode) {
  switch (mode) {
    case CrashMode::kKillInstead:
      return "killed instead of it";
    case CrashMode::kKillAfter:
      return "killed after it";
    case CrashMode::kKillTakeover:
      return "killed after it, another bridge takes over";
    case CrashMode::kStop:
      return "stopped after it for a moment";
    case CrashMode::kStopTakeover:
      return "stopped after it, another bridge takes over, goes on";
    case CrashMode::kStopReplaced:
      return "stopped after it, restarted under the same id, goes on while its lease seems good";
    case CrashMode::kStopReplacedLong:
      return "stopped after it, restarted under the same id, goes on late";
  }
  return "?";
}

Crasher::Crasher(Park& park, Faults& faults, std::optional<CrashPoint> point)
    : park_(park), faults_(faults), point_(point) {
  park_.world().watch_effects(
      [this](const sim::Process& process, std::string_view name) { return effect(process, name); });
}

bool Crasher::effect(const sim::Process& process, std::string_view name) {
  if (watched_ == nullptr) watched_ = park_.process(Role::kBridge);
  if (&process != watched_ || over_) return true;
  if (due_) return point_->mode != CrashMode::kKillInstead;  // in the same step: dead already, or not yet
  effects_.emplace_back(name);
  if (!point_ || static_cast<int>(effects_.size()) != point_->effect) return true;
  due_ = true;
  return point_->mode != CrashMode::kKillInstead;
}

void Crasher::after_step() {
  if (!due_) return;
  due_ = false;
  over_ = true;
  crash();
}

void Crasher::crash() {
  park_.world().note("CRASH", std::string(to_string(point_->mode)) + ": " + effects_.back());
  switch (point_->mode) {
    case CrashMode::kKillInstead:
    case CrashMode::kKillAfter:
      return kill(kRestart);
    case CrashMode::kKillTakeover:
      return kill(std::nullopt);
    case CrashMode::kStop:
      return stop(kShortStop);
    case CrashMode::kStopTakeover:
      return stop(kLongStop);
    case CrashMode::kStopReplaced:
      return replace(kShortStop);
    case CrashMode::kStopReplacedLong:
      return replace(kLongStop);
  }
}

void Crasher::kill(std::optional<absl::Duration> restart_after) {
  faults_.note(FaultKind::kKillBridge, restart_after.value_or(kLongStop));
  park_.kill(Role::kBridge);
  if (restart_after) later(*restart_after, [this] { park_.start(Role::kBridge); });
}

void Crasher::stop(absl::Duration lasts) {
  faults_.note(FaultKind::kStopBridge, lasts);
  sim::Process& process = *park_.process(Role::kBridge);
  park_.world().stop(process);
  later(lasts, [this, &process] { park_.world().resume(process); });
}

// Its host is overloaded and somebody starts a second one with the same --bridge-id: the lock is held, so the new one
// knows that its predecessor may be alive.
void Crasher::replace(absl::Duration goes_on_after) {
  faults_.note(FaultKind::kStopBridge, goes_on_after);
  sim::Process& ghost = *park_.process(Role::kBridge);
  park_.world().stop(ghost);
  later(kRestart, [this] { park_.replace_bridge(); });
  later(goes_on_after, [this, &ghost] {
    park_.world().note(ghost.name(), "goes on");
    park_.world().resume(ghost);
  });
  later(goes_on_after + kGhostLives, [this, &ghost] { park_.world().kill(ghost); });
}

void Crasher::later(absl::Duration delay, std::function<void()> what) {
  ++under_way_;
  park_.world().after(delay, [this, what = std::move(what)] {
    --under_way_;
    what();
  });
}

}  // namespace renderyard::simulation
