// Every error a person can meet, in one table: code, category, HTTP status, and whether a person's retry makes sense.
// Codes are stable: they are the API's `code` and jobs.error_code.
#pragma once

#include <span>
#include <string_view>

namespace renderyard::domain {

// transient: goes away by itself; permanent: the request is wrong; recoverable: something must be changed or decided
// first; fatal: a defect of ours or of the deployment.
enum class ErrorCategory { kTransient, kPermanent, kRecoverable, kFatal };

struct ErrorEntry {
  std::string_view code;
  ErrorCategory category;
  int http_status;
  bool may_retry;  // a person may order the job again
  std::string_view title;
};

std::span<const ErrorEntry> error_table();
// The entry of `code`; the entry of "internal" for an unknown one.
const ErrorEntry& error_entry(std::string_view code);
std::string_view to_string(ErrorCategory category);

// The codes, named once.
namespace code {
// Requests
inline constexpr std::string_view kMalformedJson = "malformed_json";
inline constexpr std::string_view kUnknownField = "unknown_field";
inline constexpr std::string_view kInvalidField = "invalid_field";
inline constexpr std::string_view kMissingField = "missing_field";
inline constexpr std::string_view kUiWorkflow = "ui_workflow";
inline constexpr std::string_view kInvalidWorkflow = "invalid_workflow";
inline constexpr std::string_view kUnstorableText = "unstorable_text";
inline constexpr std::string_view kBodyTooLarge = "body_too_large";
inline constexpr std::string_view kUnauthenticated = "unauthenticated";
inline constexpr std::string_view kForbidden = "forbidden";
inline constexpr std::string_view kNotFound = "not_found";
inline constexpr std::string_view kMethodNotAllowed = "method_not_allowed";
inline constexpr std::string_view kIdempotencyKeyReused = "idempotency_key_reused";
inline constexpr std::string_view kAlreadyEnded = "already_ended";
inline constexpr std::string_view kNotFailed = "not_failed";
inline constexpr std::string_view kPositionExpired = "position_expired";
inline constexpr std::string_view kSlowConsumer = "slow_consumer";
inline constexpr std::string_view kOverloaded = "overloaded";
inline constexpr std::string_view kUnavailable = "unavailable";
inline constexpr std::string_view kInternal = "internal";
// Jobs
inline constexpr std::string_view kValidationFailed = "validation_failed";
inline constexpr std::string_view kNodeError = "node_error";
inline constexpr std::string_view kOutOfMemory = "out_of_memory";
inline constexpr std::string_view kInstanceFault = "instance_fault";
inline constexpr std::string_view kSubmissionRefused = "submission_refused";
inline constexpr std::string_view kSubmissionUnclear = "submission_unclear";
inline constexpr std::string_view kExecutionLost = "execution_lost";
inline constexpr std::string_view kInterruptedByOther = "interrupted_by_other";
inline constexpr std::string_view kOutputMissing = "output_missing";
inline constexpr std::string_view kOutputOverwritten = "output_overwritten";
inline constexpr std::string_view kLimitWait = "limit_wait";
inline constexpr std::string_view kLimitRun = "limit_run";
inline constexpr std::string_view kLimitSilence = "limit_silence";
inline constexpr std::string_view kGivenUpByOperator = "given_up_by_operator";
inline constexpr std::string_view kResultUnstorable = "result_unstorable";
}  // namespace code

}  // namespace renderyard::domain
