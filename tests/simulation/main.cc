// renderyard-simulate: runs seeds of the simulation. Exit status 0 = nothing found.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "tests/simulation/options.h"

namespace renderyard::simulation {
namespace {

const std::map<std::string, PlantedBug> kBugs = {{"none", PlantedBug::kNone},
                                                 {"post-before-intent", PlantedBug::kPostBeforeIntent},
                                                 {"resend-on-unclear", PlantedBug::kResendOnUnclear},
                                                 {"blind-copy", PlantedBug::kBlindCopy},
                                                 {"unseen-gap", PlantedBug::kUnseenGap},
                                                 {"stable-client-id", PlantedBug::kStableClientId},
                                                 {"hasty-requeue", PlantedBug::kHastyRequeue},
                                                 {"forgetful-ear", PlantedBug::kForgetfulEar},
                                                 {"careless-cancel", PlantedBug::kCarelessCancel},
                                                 {"one-queue-look", PlantedBug::kOneQueueLook},
                                                 {"blind-neighbour", PlantedBug::kBlindNeighbour},
                                                 {"raw-result", PlantedBug::kRawResult}};

std::vector<std::string> names_of_bugs() {
  std::vector<std::string> names;
  for (const auto& [name, bug] : kBugs) names.push_back(name);
  return names;
}

void print_failure(const Result& result, std::size_t lines) {
  std::printf("\nseed %llu FAILED, trace hash %016llx\n", static_cast<unsigned long long>(result.seed),
              static_cast<unsigned long long>(result.trace_hash));
  const std::size_t from = result.trace.size() > lines ? result.trace.size() - lines : 0;
  for (std::size_t i = from; i < result.trace.size(); ++i) std::printf("  %s\n", result.trace[i].c_str());
  for (const std::string& finding : result.findings) std::printf("finding: %s\n", finding.c_str());
  std::printf("rerun: ./scripts/simulate --seed %llu\n", static_cast<unsigned long long>(result.seed));
}

void print_one(const Result& result) {
  std::printf(
      "seed %llu: %d jobs (%d completed, %d failed, %d cancelled), %d faults, %d reconnects, %.0f simulated seconds, "
      "%llu steps, "
      "trace hash %016llx\n",
      static_cast<unsigned long long>(result.seed), result.jobs, result.completed, result.failed, result.cancelled,
      result.faults, result.reconnects, result.simulated_seconds, static_cast<unsigned long long>(result.steps),
      static_cast<unsigned long long>(result.trace_hash));
}

int run(std::uint64_t first, std::uint64_t count, std::size_t trace_lines, bool show_trace, PlantedBug planted,
        std::uint64_t max_failures, std::optional<CrashPoint> crash) {
  const auto began = std::chrono::steady_clock::now();
  Coverage coverage;
  std::uint64_t failures = 0;
  std::uint64_t ran = 0;
  int jobs = 0;
  int completed = 0;
  int faults = 0;
  int fewest_jobs = 1'000'000;
  int fewest_faults = 1'000'000;
  for (std::uint64_t seed = first; seed < first + count && failures < max_failures; ++seed) {
    Options options;
    options.seed = seed;
    options.planted = planted;
    options.few = crash.has_value();
    options.crash = crash;
    if (show_trace) options.trace_lines = trace_lines;
    Result result = run_scenario(options);
    ++ran;
    coverage.add(result.coverage);
    jobs += result.jobs;
    completed += result.completed;
    faults += result.faults;
    fewest_jobs = std::min(fewest_jobs, result.jobs);
    fewest_faults = std::min(fewest_faults, result.faults);
    if (!result.ok()) {
      ++failures;
      if (!show_trace) {
        // Once more, now with the readable trace; the same seed is the same run.
        const std::uint64_t hash = result.trace_hash;
        options.trace_lines = trace_lines;
        result = run_scenario(options);
        if (result.trace_hash != hash)
          std::printf("seed %llu is not reproducible\n", static_cast<unsigned long long>(seed));
      }
      print_failure(result, trace_lines);
    } else if (count == 1) {
      if (show_trace) {
        for (const std::string& line : result.trace) std::printf("  %s\n", line.c_str());
      }
    }
    if (count == 1) print_one(result);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  std::printf("\n%s\n", coverage.table().c_str());
  std::printf(
      "%llu seeds from %llu: %d jobs (%d completed, at least %d a seed), %d faults (at least %d a seed), %llu failed, "
      "%.1f s\n",
      static_cast<unsigned long long>(ran), static_cast<unsigned long long>(first), jobs, completed, fewest_jobs,
      faults, fewest_faults, static_cast<unsigned long long>(failures), seconds);
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace renderyard::simulation

int main(int argc, char** argv) {
  CLI::App app{"Runs the whole suite in a seeded, simulated world, under faults, and checks its promises."};
  std::uint64_t seed = 1;
  std::uint64_t seeds = 1;
  std::uint64_t max_failures = 3;
  std::size_t lines = 400;
  bool trace = false;
  int crash_at = 0;
  std::size_t crash_mode = 0;
  std::string plant = "none";
  app.add_option("--seed", seed, "the seed, or the first of --seeds")->capture_default_str();
  app.add_option("--seeds", seeds, "how many seeds to run")->capture_default_str();
  app.add_option("--trace-lines", lines, "lines of the trace to print for a failure")->capture_default_str();
  app.add_flag("--trace", trace, "print the trace of a run that found nothing, too");
  app.add_option("--max-failures", max_failures, "stop after so many failed seeds")->capture_default_str();
  app.add_option("--plant", plant, "plant a bug")->check(CLI::IsMember(renderyard::simulation::names_of_bugs()));
  app.add_option("--crash-at", crash_at, "few jobs, and one crash of the bridge at its n-th effect")
      ->check(CLI::PositiveNumber);
  app.add_option("--crash-mode", crash_mode, "what happens then: number of a CrashMode, from 0")
      ->check(CLI::Range(std::size_t{0}, renderyard::simulation::kCrashModes.size() - 1));
  CLI11_PARSE(app, argc, argv);
  std::optional<renderyard::simulation::CrashPoint> crash;
  if (crash_at > 0) crash = {crash_at, renderyard::simulation::kCrashModes.at(crash_mode)};
  using renderyard::simulation::PlantedBug;
  const PlantedBug planted = renderyard::simulation::kBugs.at(plant);
  return renderyard::simulation::run(seed, seeds, lines, trace, planted, max_failures, crash);
}
