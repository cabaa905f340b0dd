// The bridge dies, or is stopped, at every single visible effect it has: every promise is kept each time.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "tests/simulation/crash.h"
#include "tests/simulation/options.h"

namespace renderyard::simulation {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::uint64_t kSeeds = 1;
constexpr int kEvery = 8;
#else
constexpr std::uint64_t kSeeds = 2;
constexpr int kEvery = 1;
#endif
#endif

class CrashPoints : public ::testing::TestWithParam<CrashMode> {};

TEST_P(CrashPoints, EveryEffectOfTheBridge) {
  int runs = 0;
  int completed = 0;
  int jobs = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
    Options options;
    options.seed = seed;
    options.few = true;
    const Result undisturbed = run_scenario(options);
    ASSERT_TRUE(undisturbed.ok()) << undisturbed.findings.front();
    ASSERT_GE(undisturbed.completed, 3) << "one fails, one may be cancelled";
    const auto effects = static_cast<int>(undisturbed.effects.size());
    ASSERT_GT(effects, 100);
    int failed = 0;
    for (int effect = 1; effect <= effects && failed < 5; effect += kEvery) {
      options.crash = CrashPoint{effect, GetParam()};
      const Result result = run_scenario(options);
      ++runs;
      jobs += result.jobs;
      completed += result.completed;
      ASSERT_EQ(result.effects.size(), static_cast<std::size_t>(effect)) << "up to the crash it is the same run";
      if (result.ok()) continue;
      ++failed;
      std::string findings;
      for (const std::string& finding : result.findings) findings += "  " + finding + "\n";
      ADD_FAILURE() << to_string(GetParam()) << ": effect " << effect << " (" << result.effects.back() << ")\n"
                    << findings << "rerun: ./scripts/simulate --seed " << seed << " --crash-at " << effect
                    << " --crash-mode " << static_cast<int>(GetParam());
    }
  }
  std::printf("%d runs, %d of %d jobs completed\n", runs, completed, jobs);
}

// A second process under the same id, and the first goes on: with one client id for both, the first one's end makes the
// second one deaf.
TEST(CrashPointsPlanted, FindAStableClientId) {
  Options options;
  options.few = true;
  options.planted = PlantedBug::kStableClientId;
  int runs = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    options.seed = seed;
    for (int effect = 1; effect <= 100; ++effect) {
      options.crash = CrashPoint{effect, CrashMode::kStopReplaced};
      ++runs;
      if (!run_scenario(options).ok()) {
        std::printf("found by run %d\n", runs);
        return;
      }
    }
  }
  FAIL() << "not found by 1,000 runs";
}

INSTANTIATE_TEST_SUITE_P(Modes, CrashPoints, ::testing::ValuesIn(kCrashModes));

}  // namespace
}  // namespace renderyard::simulation
