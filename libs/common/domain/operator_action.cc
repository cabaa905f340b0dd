#include "libs/common/domain/operator_action.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/domain/error_code.h"
#include "libs/common/domain/machines.h"

namespace renderyard::domain {

namespace {

struct Named {
  OperatorAction action;
  std::string_view name;
};
constexpr std::array kActions = {Named{OperatorAction::kNote, "note"}, Named{OperatorAction::kGiveUp, "give_up"},
                                 Named{OperatorAction::kFreeSlot, "free_slot"}};

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20) || c == 0x7f;
}

absl::Status check_text(std::string_view field, std::string_view text, std::size_t most, std::string_view remedy) {
  const bool blank = std::all_of(text.begin(), text.end(), [](char c) { return c == ' '; });
  if (blank || text.size() > most || std::any_of(text.begin(), text.end(), is_control)) {
    return absl::InvalidArgumentError(
        absl::StrCat(base::to_absl(field), ": must be 1 to ", most, " bytes on one line; ", base::to_absl(remedy)));
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view to_string(OperatorAction action) {
  for (const Named& one : kActions) {
    if (one.action == action) return one.name;
  }
  return "";
}

std::optional<OperatorAction> operator_action_from(std::string_view name) {
  for (const Named& one : kActions) {
    if (one.name == name) return one.action;
  }
  return std::nullopt;
}

absl::Status check_operator(std::string_view who, std::string_view why) {
  RETURN_IF_ERROR(check_text("who", who, kMaxOperatorName, "say who you are"));
  return check_text("why", why, kMaxOperatorReason, "say why, it is recorded");
}

absl::Status may_note(JobStatus job, std::string_view error_code) {
  if (job == JobStatus::kFailed && error_code == code::kSubmissionUnclear) return absl::OkStatus();
  const bool failed = job == JobStatus::kFailed;
  return absl::FailedPreconditionError(absl::StrCat(
      "job: only one that failed as submission_unclear takes a note; this one is ", base::to_absl(to_string(job)),
      failed ? " as " : "", base::to_absl(failed ? error_code : ""), ", and what happened is known"));
}

absl::StatusOr<ExecutionState> given_up_to(JobStatus job, std::optional<ExecutionState> execution) {
  if (is_final(job)) {
    return absl::FailedPreconditionError(
        absl::StrCat("job: has ended already as ", base::to_absl(to_string(job)), ", there is nothing to give up"));
  }
  if (!execution) {
    return absl::FailedPreconditionError(
        "job: it waits and has no execution; cancel the job instead, nothing was sent for it");
  }
  for (const ExecutionState to : {ExecutionState::kWithdrawn, ExecutionState::kFailed}) {
    if (allowed(*execution, to, Owner::kOperator)) return to;
  }
  return absl::FailedPreconditionError(absl::StrCat("job: its execution has ended already as ",
                                                    base::to_absl(to_string(*execution)),
                                                    "; the job follows once a dispatcher lives"));
}

bool prompt_may_run(ExecutionState state) {
  return state == ExecutionState::kSubmitting || state == ExecutionState::kQueued || state == ExecutionState::kRunning;
}

absl::Status may_free(std::optional<ExecutionState> holder) {
  if (!holder || is_final(*holder)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("slot: its execution lives (", base::to_absl(to_string(*holder)),
                                                    "); give up the execution of its job, that frees the slot"));
}

}  // namespace renderyard::domain
