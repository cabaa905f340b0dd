// What one simulated run is made of, and what came of it.
#pragma once

#include <cstddef>
#include <cstdint>
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
};

struct Options {
  std::uint64_t seed = 1;
  PlantedBug planted = PlantedBug::kNone;
  bool faults = true;
  std::size_t trace_lines = 0;  // the last lines of the readable trace to keep
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

  bool ok() const { return findings.empty(); }
};

// One run, from its seed. Nothing outlives it.
Result run_scenario(const Options& options);

}  // namespace renderyard::simulation
