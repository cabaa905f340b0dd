// One crash of the bridge at one visible effect (a write to the database, the artifact store or Redis, a request to
// ComfyUI, a call), so that a test can go through all of them: what does whoever comes back find?
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simulation/faults.h"
#include "tests/simulation/options.h"
#include "tests/simulation/park.h"

namespace renderyard::simulation {

std::string_view to_string(CrashMode mode);

class Crasher {
 public:
  // Counts the effects of the first bridge process from now on. All outlive the crasher.
  Crasher(Park& park, Faults& faults, std::optional<CrashPoint> point);

  // After every step of the world.
  void after_step();
  // The crash and what belongs to it are over, or it has not come.
  bool quiet() const { return under_way_ == 0; }
  // Their names up to the crash, in order; effect n is the n-th, from 1.
  const std::vector<std::string>& effects() const { return effects_; }

 private:
  bool effect(const sim::Process& process, std::string_view name);
  void crash();
  void kill(std::optional<absl::Duration> restart_after);
  void stop(absl::Duration lasts);
  void replace(absl::Duration goes_on_after);
  void later(absl::Duration delay, std::function<void()> what);

  Park& park_;
  Faults& faults_;
  std::optional<CrashPoint> point_;
  const sim::Process* watched_ = nullptr;
  std::vector<std::string> effects_;
  bool due_ = false;
  bool over_ = false;
  int under_way_ = 0;
};

}  // namespace renderyard::simulation
