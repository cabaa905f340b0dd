#include "libs/common/domain/error_code.h"

#include <algorithm>

namespace renderyard::domain {

namespace {

using C = ErrorCategory;

constexpr ErrorEntry kTable[] = {
    {code::kMalformedJson, C::kPermanent, 400, false, "The body is not JSON"},
    {code::kUnknownField, C::kPermanent, 400, false, "The body has a field that is not known"},
    {code::kInvalidField, C::kPermanent, 400, false, "A field has a value that is not allowed"},
    {code::kMissingField, C::kPermanent, 400, false, "A required field is missing"},
    {code::kUiWorkflow, C::kPermanent, 400, false, "The workflow is in ComfyUI's UI format"},
    {code::kInvalidWorkflow, C::kPermanent, 400, false, "The workflow is not a ComfyUI API workflow"},
    {code::kUnstorableText, C::kPermanent, 400, false, "A text has a NUL character"},
    {code::kBodyTooLarge, C::kPermanent, 413, false, "The body is too large"},
    {code::kUnauthenticated, C::kPermanent, 401, false, "Authentication is required"},
    {code::kForbidden, C::kPermanent, 403, false, "This is another user's"},
    {code::kNotFound, C::kPermanent, 404, false, "There is no such thing"},
    {code::kMethodNotAllowed, C::kPermanent, 405, false, "The method is not allowed here"},
    {code::kIdempotencyKeyReused, C::kPermanent, 409, false, "The Idempotency-Key was used with another body"},
    {code::kAlreadyEnded, C::kPermanent, 409, false, "The job has already ended"},
    {code::kNotFailed, C::kPermanent, 409, false, "Only failed jobs can be retried"},
    {code::kPositionExpired, C::kRecoverable, 410, false, "The position is too old or of another database"},
    {code::kSlowConsumer, C::kRecoverable, 408, false, "The client reads too slowly"},
    {code::kOverloaded, C::kTransient, 429, false, "Too much at once"},
    {code::kUnavailable, C::kTransient, 503, false, "A part of the service is away"},
    {code::kInternal, C::kFatal, 500, false, "A defect of the service"},
    {code::kValidationFailed, C::kPermanent, 422, false, "ComfyUI refused the workflow"},
    {code::kNodeError, C::kPermanent, 422, true, "A node of the workflow failed"},
    {code::kOutOfMemory, C::kRecoverable, 507, true, "The instance had not enough memory"},
    {code::kInstanceFault, C::kRecoverable, 502, true, "The instance has a fault of its own"},
    {code::kSubmissionRefused, C::kRecoverable, 502, true, "The instances did not accept the prompt"},
    {code::kSubmissionUnclear, C::kRecoverable, 502, true, "Nobody can know whether the prompt was accepted"},
    {code::kExecutionLost, C::kRecoverable, 502, true, "The instance no longer knows the prompt"},
    {code::kInterruptedByOther, C::kRecoverable, 502, true, "Somebody else interrupted the prompt"},
    {code::kOutputMissing, C::kRecoverable, 502, true, "An output file could not be had"},
    {code::kOutputOverwritten, C::kRecoverable, 502, true, "An output file was overwritten before it was copied"},
    {code::kLimitWait, C::kRecoverable, 504, true, "The job waited longer than it may"},
    {code::kLimitRun, C::kRecoverable, 504, true, "The prompt ran longer than it may"},
    {code::kLimitSilence, C::kRecoverable, 504, true, "The prompt was silent for longer than it may be"},
    {code::kGivenUpByOperator, C::kRecoverable, 409, true, "An operator gave the execution up"},
    {code::kResultUnstorable, C::kPermanent, 502, true, "The result cannot be stored"},
};

}  // namespace

std::span<const ErrorEntry> error_table() {
  return kTable;
}

const ErrorEntry& error_entry(std::string_view code) {
  const auto* it = std::find_if(std::begin(kTable), std::end(kTable), [&](const auto& e) { return e.code == code; });
  if (it != std::end(kTable)) return *it;
  return error_entry(code::kInternal);
}

std::string_view to_string(ErrorCategory category) {
  switch (category) {
    case C::kTransient:
      return "transient";
    case C::kPermanent:
      return "permanent";
    case C::kRecoverable:
      return "recoverable";
    case C::kFatal:
      return "fatal";
  }
  return "fatal";
}

}  // namespace renderyard::domain
