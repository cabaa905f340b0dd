#include "libs/common/domain/settlement.h"

#include <algorithm>
#include <utility>

#include "libs/common/domain/backoff.h"
#include "libs/common/domain/error_code.h"

namespace renderyard::domain {

namespace {

using Kind = SettleDecision::Kind;

SettleDecision fail(std::string_view code, std::string_view fallback, std::string_view message) {
  return {.kind = Kind::kFail,
          .error_code = std::string(code.empty() ? fallback : code),
          .error_message = std::string(message),
          .reason = {},
          .not_before = {}};
}

SettleDecision only(Kind kind) {
  return {.kind = kind, .error_code = {}, .error_message = {}, .reason = {}, .not_before = {}};
}

SettleDecision after_not_accepted(const ExecutionNews& news) {
  if (news.job_wants_cancel) return only(Kind::kCancel);
  const bool counts = news.outcome_proof != "connect_failed";
  if (counts && news.earlier_not_accepted + 1 >= news.most_not_accepted) {
    return fail(code::kSubmissionRefused, {},
                "the prompt was not accepted in several attempts, last: " + std::string(news.outcome_proof));
  }
  return {.kind = Kind::kRequeue,
          .error_code = {},
          .error_message = {},
          .reason = "not_accepted: " + std::string(news.outcome_proof),
          .not_before = counts ? retry_delay(news.earlier_not_accepted + 1) : requeue_delay(news.attempt)};
}

}  // namespace

SettleDecision settle(const ExecutionNews& news) {
  if (is_final(news.job_status)) return only(Kind::kNothing);
  switch (news.state) {
    case ExecutionState::kRunning:
    case ExecutionState::kCollecting:
      return only(news.job_status == JobStatus::kPending ? Kind::kStart : Kind::kNothing);
    case ExecutionState::kCompleted:
      return only(Kind::kComplete);
    case ExecutionState::kFailed:
      return fail(news.error_code, code::kNodeError, news.error_message);
    case ExecutionState::kLost:
      return fail(news.error_code, code::kExecutionLost, news.error_message);
    case ExecutionState::kCancelled:
      // Without a wish of ours somebody else stopped it: that is no cancellation by the job's owner.
      if (news.job_wants_cancel) return only(Kind::kCancel);
      return fail(news.error_code, code::kInterruptedByOther, news.error_message);
    case ExecutionState::kNotAccepted:
      return after_not_accepted(news);
    case ExecutionState::kAssigned:
    case ExecutionState::kSubmitting:
    case ExecutionState::kQueued:
      return only(Kind::kNothing);
    case ExecutionState::kWithdrawn:
      // The dispatcher's withdrawal settles its job in its own transaction; only an operator's leaves an error.
      if (news.error_code.empty()) return only(Kind::kNothing);
      return fail(news.error_code, {}, news.error_message);
  }
  return only(Kind::kNothing);
}

CancelResult cancel_result(JobStatus job, std::string_view error_code, std::string_view error_message,
                           const ExecutionNews* execution) {
  using End = CancelResult::Kind;
  if (job == JobStatus::kCancelled) return {End::kCancelled, {}, {}};
  if (job == JobStatus::kCompleted) return {End::kCompleted, {}, {}};
  if (job == JobStatus::kFailed) return {End::kFailed, std::string(error_code), std::string(error_message)};
  if (execution == nullptr || !is_final(execution->state)) return {};
  ExecutionNews news = *execution;
  news.job_wants_cancel = true;
  SettleDecision decision = settle(news);
  switch (decision.kind) {
    case Kind::kCancel:
      return {End::kCancelled, {}, {}};
    case Kind::kComplete:
      return {End::kCompleted, {}, {}};
    case Kind::kFail:
      return {End::kFailed, std::move(decision.error_code), std::move(decision.error_message)};
    case Kind::kNothing:
    case Kind::kStart:
    case Kind::kRequeue:
      break;
  }
  return {};
}

absl::Duration requeue_delay(int attempt) {
  const int doublings = std::clamp(attempt - 1, 0, 7);
  return std::min(absl::Milliseconds(250) * (1 << doublings), absl::Seconds(30));
}

}  // namespace renderyard::domain
