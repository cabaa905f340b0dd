// What an operator may do by hand to a job, an execution or a slot, and in which states. Pure; the stores ask here
// under the locks of the rows. Errors: INVALID_ARGUMENT "<field>: …", FAILED_PRECONDITION with the remedy.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <string_view>

#include "libs/common/domain/states.h"

namespace renderyard::domain {

// operator_actions.action.
enum class OperatorAction { kNote, kGiveUp, kFreeSlot };

std::string_view to_string(OperatorAction action);
std::optional<OperatorAction> operator_action_from(std::string_view name);

inline constexpr std::size_t kMaxOperatorName = 255;  // bytes
inline constexpr std::size_t kMaxOperatorReason = 1000;

// Who and why, as given: neither empty nor blank, within bounds, without control characters.
absl::Status check_operator(std::string_view who, std::string_view why);

// A note on what really happened belongs to a job that failed because nobody could know.
absl::Status may_note(JobStatus job, std::string_view error_code);

// The state that an execution that is given up goes to. `execution`: of the job's current claim, if it has one.
absl::StatusOr<ExecutionState> given_up_to(JobStatus job, std::optional<ExecutionState> execution);

// Given up in this state, may its prompt be at the instance, and go on there?
bool prompt_may_run(ExecutionState state);

// A slot that this execution holds (none: the slot is free) may be freed by hand.
absl::Status may_free(std::optional<ExecutionState> holder);

}  // namespace renderyard::domain
