#include "libs/common/domain/limits.h"

#include <algorithm>
#include <charconv>

#include "libs/common/domain/error_code.h"
#include "libs/common/domain/json_text.h"

namespace renderyard::domain {

namespace {

std::optional<absl::Duration> read_limit(std::string_view limits, std::string_view name) {
  const std::string_view text = json_member(limits, name);
  int seconds = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, seconds);
  if (result.ec != std::errc() || result.ptr != end || seconds < 1 || seconds > kMaxLimitSecs) return std::nullopt;
  return absl::Seconds(seconds);
}

}  // namespace

JobLimits limits_of(std::string_view parameters_json) {
  if (!check_json_text(parameters_json).ok()) return {};
  const std::string_view stored = json_member(parameters_json, "limits");
  JobLimits limits;
  limits.wait = read_limit(stored, limit::kWait);
  limits.run = read_limit(stored, limit::kRun);
  limits.silence = read_limit(stored, limit::kSilence);
  return limits;
}

LimitVerdict check_limits(const JobLimits& limits, const RunFacts& facts, absl::Time now) {
  LimitVerdict verdict;
  if (!facts.started_at) return verdict;
  if (limits.run) {
    const absl::Time passes_at = *facts.started_at + *limits.run;
    if (now >= passes_at) return {PassedLimit::kRun, now};
    verdict.look_again_at = passes_at;
  }
  if (limits.silence && facts.listening_since) {
    const absl::Time sign = std::max(*facts.started_at, facts.last_sign_at.value_or(absl::InfinitePast()));
    const absl::Time heard_enough = *facts.listening_since + std::min(*limits.silence, kHearing);
    const absl::Time passes_at = std::max(sign + *limits.silence, heard_enough);
    if (now >= passes_at) return {PassedLimit::kSilence, now};
    verdict.look_again_at = std::min(verdict.look_again_at, passes_at);
  }
  return verdict;
}

std::string_view code_of(PassedLimit passed) {
  switch (passed) {
    case PassedLimit::kRun:
      return code::kLimitRun;
    case PassedLimit::kSilence:
      return code::kLimitSilence;
    case PassedLimit::kNone:
      break;
  }
  return {};
}

PassedLimit passed_limit_from(std::string_view code) {
  for (const PassedLimit passed : {PassedLimit::kRun, PassedLimit::kSilence}) {
    if (code_of(passed) == code) return passed;
  }
  return PassedLimit::kNone;
}

}  // namespace renderyard::domain
