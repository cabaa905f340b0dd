// Many seeds under faults: nothing may be found. How many: RENDERYARD_SIMULATION_SEEDS, else 2,000, or 100 where a
// sanitizer makes each ten times slower.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/simulation/options.h"

namespace renderyard::simulation {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::uint64_t kSeeds = 100;
#else
constexpr std::uint64_t kSeeds = 2000;
#endif
#endif

std::uint64_t seeds() {
  const char* wanted = std::getenv("RENDERYARD_SIMULATION_SEEDS");
  if (wanted == nullptr || *wanted == '\0') return kSeeds;
  return std::strtoull(wanted, nullptr, 10);
}

TEST(SimulationSeeds, PromisesHoldUnderFaults) {
  Coverage coverage;
  int failed = 0;
  for (std::uint64_t seed = 1; seed <= seeds() && failed < 5; ++seed) {
    Options options;
    options.seed = seed;
    const Result result = run_scenario(options);
    coverage.add(result.coverage);
    EXPECT_GE(result.jobs, 20) << seed;
    EXPECT_GE(result.faults, 5) << seed;
    if (result.ok()) continue;
    ++failed;
    std::string findings;
    for (const std::string& finding : result.findings) findings += "  " + finding + "\n";
    ADD_FAILURE() << "seed " << seed << "\n" << findings << "rerun: ./scripts/simulate --seed " << seed;
  }
  std::printf("%s\n", coverage.table().c_str());
}

}  // namespace
}  // namespace renderyard::simulation
