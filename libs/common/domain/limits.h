// A job's time limits, which its owner may set and which are off otherwise: how long it may wait for its start, run at
// an instance, and be silent there. Pure decisions over the database's times, so that a limit goes on counting whatever
// process dies: nothing here remembers anything.
#pragma once

#include <absl/time/time.h>

#include <array>
#include <optional>
#include <string_view>

namespace renderyard::domain {

// Members of a job's `parameters.limits`, whole seconds from 1 to kMaxLimitSecs.
namespace limit {
inline constexpr std::string_view kWait = "wait_secs";
inline constexpr std::string_view kRun = "run_secs";
inline constexpr std::string_view kSilence = "silence_secs";
}  // namespace limit
inline constexpr std::array kLimitNames = {limit::kWait, limit::kRun, limit::kSilence};
inline constexpr int kMaxLimitSecs = 30 * 24 * 3600;

struct JobLimits {
  std::optional<absl::Duration> wait;     // from its submission to its prompt being on its way to an instance
  std::optional<absl::Duration> run;      // from the start of the prompt at ComfyUI to its end there
  std::optional<absl::Duration> silence;  // between two signs of life of a running prompt
};

// The limits in a job's stored parameters; what is absent or no whole number in range is off.
JobLimits limits_of(std::string_view parameters_json);

// What is known of a prompt. All times are the database's.
struct RunFacts {
  std::optional<absl::Time> started_at;       // absent: it has not begun, and no limit counts
  std::optional<absl::Time> last_sign_at;     // the last message of it that anybody heard
  std::optional<absl::Time> listening_since;  // its socket is open without a break since then; absent: nobody listens
};

enum class PassedLimit { kNone, kRun, kSilence };

struct LimitVerdict {
  PassedLimit passed = PassedLimit::kNone;
  absl::Time look_again_at = absl::InfiniteFuture();  // earlier, nothing can have passed by time alone
};

// Silence is told only by those who listen: before it counts, somebody must have listened this long (or as long as the
// limit, when that is shorter), so that a bridge that was away blames no prompt for it.
inline constexpr absl::Duration kHearing = absl::Seconds(30);

LimitVerdict check_limits(const JobLimits& limits, const RunFacts& facts, absl::Time now);

// The job's error: domain::code::kLimitRun or kLimitSilence; empty for kNone.
std::string_view code_of(PassedLimit passed);
PassedLimit passed_limit_from(std::string_view code);

}  // namespace renderyard::domain
