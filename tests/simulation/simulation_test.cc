// The simulation as a test: promises hold under faults, runs are reproducible, and planted bugs are found.
#include <gtest/gtest.h>

#include "tests/simulation/options.h"

namespace renderyard::simulation {
namespace {

std::string describe(const Result& result) {
  std::string text = "seed " + std::to_string(result.seed) + "; rerun: ./scripts/simulate --seed " +
                     std::to_string(result.seed) + "\n";
  for (const std::string& finding : result.findings) text += "  " + finding + "\n";
  return text;
}

Result run_seed(std::uint64_t seed, PlantedBug planted = PlantedBug::kNone) {
  Options options;
  options.seed = seed;
  options.planted = planted;
  return run_scenario(options);
}

// The first seed that finds something, 0 when none of the first `limit` does.
std::uint64_t found_by(PlantedBug planted, std::uint64_t limit) {
  for (std::uint64_t seed = 1; seed <= limit; ++seed) {
    if (!run_seed(seed, planted).ok()) return seed;
  }
  return 0;
}

TEST(Simulation, WithoutFaultsEveryJobEndsAsItShould) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Options options;
    options.seed = seed;
    options.faults = false;
    const Result result = run_scenario(options);
    EXPECT_TRUE(result.ok()) << describe(result);
    EXPECT_LT(result.simulated_seconds, 400);
  }
}

TEST(Simulation, TheSameSeedIsTheSameRun) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Result first = run_seed(seed);
    Options options;
    options.seed = seed;
    options.trace_lines = 100;
    const Result second = run_scenario(options);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << seed;
    EXPECT_EQ(first.steps, second.steps) << seed;
    EXPECT_FALSE(second.trace.empty());
  }
}

TEST(Simulation, OtherSeedsAreOtherRuns) {
  EXPECT_NE(run_seed(1).trace_hash, run_seed(2).trace_hash);
}

TEST(Simulation, FindsAPostBeforeItsIntent) {
  EXPECT_NE(found_by(PlantedBug::kPostBeforeIntent, 1000), 0u) << "not found within 1,000 seeds";
}

TEST(Simulation, FindsAGapThatNobodySaw) {
  EXPECT_NE(found_by(PlantedBug::kUnseenGap, 1000), 0u) << "not found within 1,000 seeds";
}

TEST(Simulation, FindsACopyOfAnOverwrittenOutput) {
  EXPECT_NE(found_by(PlantedBug::kBlindCopy, 1000), 0u) << "not found within 1,000 seeds";
}

TEST(Simulation, FindsARequeueOnAbsenceAlone) {
  EXPECT_NE(found_by(PlantedBug::kHastyRequeue, 1000), 0u) << "not found within 1,000 seeds";
}

TEST(Simulation, FindsAnEndThatWasHeardAndNotKept) {
  EXPECT_NE(found_by(PlantedBug::kForgetfulEar, 1000), 0u) << "not found within 1,000 seeds";
}

TEST(Simulation, FindsACancelThatHitsTheNeighbour) {
  EXPECT_NE(found_by(PlantedBug::kCarelessCancel, 1000), 0u) << "not found within 1,000 seeds";
}

// Not asking the queue again within a look is covered by the second round, ten seconds later; so the planted bug is not
// asking it again at all.
TEST(Simulation, FindsAQueueThatIsLookedAtOnce) {
  EXPECT_NE(found_by(PlantedBug::kOneQueueLook, 1000), 0u) << "not found within 1,000 seeds";
}

TEST(Simulation, FindsAPromptThatWritesOverTheLastOnesFile) {
  EXPECT_NE(found_by(PlantedBug::kBlindNeighbour, 1000), 0u) << "not found within 1,000 seeds";
}

TEST(Simulation, FindsAResultThatPostgresRefuses) {
  EXPECT_NE(found_by(PlantedBug::kRawResult, 1000), 0u) << "not found within 1,000 seeds";
}

TEST(Simulation, FindsAResendOnUnclear) {
  EXPECT_NE(found_by(PlantedBug::kResendOnUnclear, 1000), 0u) << "not found within 1,000 seeds";
}

}  // namespace
}  // namespace renderyard::simulation
