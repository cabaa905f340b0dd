// What one simulated run is made of, and what came of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/coverage.h"

namespace renderyard::simulation {

// Defects put in on purpose, by decorators that only this test links, to prove that the checks see them.
enum class PlantedBug {
  kNone,
  kPostBeforeIntent,  // the POST goes out before the commit that says so is durable
  kResendOnUnclear,   // a POST whose outcome is unclear is simply sent again
  kBlindCopy,         // output files are copied whatever their age and version
  kUnseenGap,         // the WebSocket library reconnects by itself and tells nobody
  kStableClientId,    // one client id for an instance, whoever owns it
  kHastyRequeue,      // a POST without an answer whose prompt is absent at once counts as not accepted
  kForgetfulEar,      // the socket's word that a prompt has ended is not kept for a history that is wiped
  kCarelessCancel,    // a cancel interrupts whatever the server runs
  kOneQueueLook,      // the queue is not looked at a second time: its first answer is believed
  kBlindNeighbour,    // a prompt does not see that it may write over the files of the one before it
  kRawResult,         // a server's NaN goes into the result as it is
};

// What happens to the bridge at an effect.
enum class CrashMode {
  kKillInstead,       // the effect does not happen; a restart follows
  kKillAfter,         // it is on its way; a restart follows
  kKillTakeover,      // no restart: another bridge takes over when the lease has run out
  kStop,              // SIGSTOP, and SIGCONT while the lease is good
  kStopTakeover,      // SIGCONT when another bridge has taken over
  kStopReplaced,      // restarted under the same id while it is stopped; SIGCONT while its own trust is good
  kStopReplacedLong,  // SIGCONT when that is over
};
inline constexpr std::array kCrashModes = {
    CrashMode::kKillInstead,  CrashMode::kKillAfter,    CrashMode::kKillTakeover,    CrashMode::kStop,
    CrashMode::kStopTakeover, CrashMode::kStopReplaced, CrashMode::kStopReplacedLong};

struct CrashPoint {
  int effect = 1;  // the n-th effect of the first bridge process, from 1
  CrashMode mode = CrashMode::kKillAfter;
};

struct Options {
  std::uint64_t seed = 1;
  PlantedBug planted = PlantedBug::kNone;
  bool faults = true;
  // A few jobs and two bridges, no drawn faults, at most one crash.
  bool few = false;
  std::optional<CrashPoint> crash;  // with `few`
  std::size_t trace_lines = 0;      // the last lines of the readable trace to keep
};

struct Result {
  std::uint64_t seed = 0;
  std::uint64_t trace_hash = 0;
  std::uint64_t steps = 0;
  double simulated_seconds = 0;
  int jobs = 0;
  int completed = 0;
  int failed = 0;
  int cancelled = 0;
  int faults = 0;
  int reconnects = 0;                 // of watchers
  std::vector<std::string> findings;  // empty = every promise was kept
  std::vector<std::string> trace;
  Coverage coverage;
  std::vector<std::string> effects;  // of the first bridge process, up to its crash

  bool ok() const { return findings.empty(); }
};

// One run, from its seed. Nothing outlives it.
Result run_scenario(const Options& options);

}  // namespace renderyard::simulation
