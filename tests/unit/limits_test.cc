// A job's time limits: how they are read, and when they have passed, as a table over what is known of a prompt.
#include "libs/common/domain/limits.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/common/domain/error_code.h"

namespace renderyard::domain {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

absl::Time at(int seconds) {
  return kStart + absl::Seconds(seconds);
}

TEST(LimitsTest, AreReadFromTheStoredParameters) {
  const JobLimits limits = limits_of(R"({"limits": {"wait_secs": 60, "run_secs": 2592000, "silence_secs": 1}})");
  EXPECT_EQ(limits.wait, absl::Minutes(1));
  EXPECT_EQ(limits.run, absl::Hours(24 * 30));
  EXPECT_EQ(limits.silence, absl::Seconds(1));
}

TEST(LimitsTest, AreOffWhenAbsentOrNoNumberInRange) {
  for (const char* text :
       {"", "{}", "nonsense", R"({"limits":null})", R"({"limits":{}})", R"({"limits":{"run_secs":null}})",
        R"({"limits":{"run_secs":0,"wait_secs":-1,"silence_secs":2592001}})", R"({"limits":{"run_secs":1.5}})",
        R"({"limits":{"run_secs":"60"}})", R"({"limits":{"run_secs":1e3}})", R"({"run_secs":5})"}) {
    const JobLimits limits = limits_of(text);
    EXPECT_FALSE(limits.wait || limits.run || limits.silence) << text;
  }
}

struct Row {
  std::string situation;
  JobLimits limits;
  RunFacts facts;
  int now = 0;
  PassedLimit passed = PassedLimit::kNone;
  std::optional<int> look_again = {};  // seconds after kStart; absent: never by time alone
};

TEST(LimitsTest, PassByTheTable) {
  const JobLimits none;
  const JobLimits run{.wait = {}, .run = absl::Seconds(100), .silence = {}};
  const JobLimits silence{.wait = {}, .run = {}, .silence = absl::Seconds(60)};
  const JobLimits short_silence{.wait = {}, .run = {}, .silence = absl::Seconds(5)};
  const JobLimits both{.wait = {}, .run = absl::Seconds(100), .silence = absl::Seconds(60)};
  const JobLimits only_wait{.wait = absl::Seconds(1), .run = {}, .silence = {}};
  const auto facts = [](std::optional<int> started, std::optional<int> sign, std::optional<int> listening) {
    const auto time = [](std::optional<int> s) { return s ? std::optional(at(*s)) : std::nullopt; };
    return RunFacts{time(started), time(sign), time(listening)};
  };
  using P = PassedLimit;
  const std::vector<Row> table = {
      {"no limit never passes", none, facts(0, 0, 0), 1'000'000, P::kNone, {}},
      {"what has not begun neither runs nor is silent", both, facts({}, {}, 0), 1'000'000, P::kNone, {}},
      {"waiting is not looked at here", only_wait, facts(0, 0, 0), 1'000, P::kNone, {}},
      {"runs within its limit", run, facts(0, {}, {}), 99, P::kNone, 100},
      {"ran for its limit, heard or not", run, facts(0, {}, {}), 100, P::kRun, 100},
      {"runs too long though it speaks", run, facts(0, 149, 0), 150, P::kRun, 150},
      {"spoke a moment ago", silence, facts(0, 50, 0), 100, P::kNone, 110},
      {"silent for its limit", silence, facts(0, 50, 0), 110, P::kSilence, 110},
      {"never spoke: silent since its start", silence, facts(10, {}, 0), 69, P::kNone, 70},
      {"never spoke for its limit", silence, facts(10, {}, 0), 70, P::kSilence, 70},
      {"a sign from before the start does not shorten it", silence, facts(10, -500, 0), 69, P::kNone, 70},
      {"nobody listens: nobody can tell", silence, facts(0, {}, {}), 5'000, P::kNone, {}},
      {"just came back to listen", silence, facts(0, {}, 1000), 1029, P::kNone, 1030},
      {"listened for half a minute and still nothing", silence, facts(0, {}, 1000), 1030, P::kSilence, 1030},
      {"a short limit needs no more listening than itself", short_silence, facts(0, {}, 1000), 1004, P::kNone, 1005},
      {"a short limit passes", short_silence, facts(0, {}, 1000), 1005, P::kSilence, 1005},
      {"both: the earlier one is looked for", both, facts(0, 10, 0), 20, P::kNone, 70},
      {"both: silence first", both, facts(0, 10, 0), 70, P::kSilence, 70},
      {"both passed: the run is named", both, facts(0, 10, 0), 500, P::kRun, 500},
      {"both, deaf: only the run counts", both, facts(0, {}, {}), 99, P::kNone, 100},
  };
  for (const Row& row : table) {
    const LimitVerdict verdict = check_limits(row.limits, row.facts, at(row.now));
    EXPECT_EQ(verdict.passed, row.passed) << row.situation;
    EXPECT_EQ(verdict.look_again_at, row.look_again ? at(*row.look_again) : absl::InfiniteFuture()) << row.situation;
  }
}

TEST(LimitsTest, WhoWakesWhenToldNeverWakesForNothing) {
  // Looking again exactly when told finds the limit passed, when nothing was heard in between.
  const JobLimits limits{.wait = {}, .run = absl::Seconds(100), .silence = absl::Seconds(60)};
  for (int sign = 0; sign < 100; sign += 7) {
    for (int listening = 0; listening < 100; listening += 11) {
      const RunFacts facts{at(0), at(sign), at(listening)};
      const LimitVerdict first = check_limits(limits, facts, at(sign));
      if (first.passed != PassedLimit::kNone) continue;
      EXPECT_GT(first.look_again_at, at(sign));
      EXPECT_NE(check_limits(limits, facts, first.look_again_at).passed, PassedLimit::kNone) << sign << listening;
    }
  }
}

TEST(LimitsTest, HaveCodes) {
  EXPECT_EQ(code_of(PassedLimit::kRun), code::kLimitRun);
  EXPECT_EQ(code_of(PassedLimit::kSilence), code::kLimitSilence);
  EXPECT_EQ(passed_limit_from(code::kLimitRun), PassedLimit::kRun);
  EXPECT_EQ(passed_limit_from(code::kLimitSilence), PassedLimit::kSilence);
  EXPECT_EQ(passed_limit_from(""), PassedLimit::kNone);
  EXPECT_EQ(passed_limit_from(code::kLimitWait), PassedLimit::kNone) << "the dispatcher's, not of a run";
}

}  // namespace
}  // namespace renderyard::domain
