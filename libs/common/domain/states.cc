#include "libs/common/domain/states.h"

namespace renderyard::domain {

std::string_view to_string(JobStatus status) {
  switch (status) {
    case JobStatus::kPending:
      return "pending";
    case JobStatus::kRunning:
      return "running";
    case JobStatus::kCompleted:
      return "completed";
    case JobStatus::kFailed:
      return "failed";
    case JobStatus::kCancelled:
      return "cancelled";
    case JobStatus::kRetrying:
      return "retrying";
  }
  return "unknown";
}

std::string_view to_string(ExecutionState state) {
  switch (state) {
    case ExecutionState::kAssigned:
      return "assigned";
    case ExecutionState::kWithdrawn:
      return "withdrawn";
    case ExecutionState::kSubmitting:
      return "submitting";
    case ExecutionState::kNotAccepted:
      return "not_accepted";
    case ExecutionState::kQueued:
      return "queued";
    case ExecutionState::kRunning:
      return "running";
    case ExecutionState::kCollecting:
      return "collecting";
    case ExecutionState::kCompleted:
      return "completed";
    case ExecutionState::kFailed:
      return "failed";
    case ExecutionState::kCancelled:
      return "cancelled";
    case ExecutionState::kLost:
      return "lost";
  }
  return "unknown";
}

std::string_view to_string(InstanceStatus status) {
  switch (status) {
    case InstanceStatus::kDisabled:
      return "disabled";
    case InstanceStatus::kDisconnected:
      return "disconnected";
    case InstanceStatus::kConnecting:
      return "connecting";
    case InstanceStatus::kConnected:
      return "connected";
    case InstanceStatus::kPolling:
      return "polling";
    case InstanceStatus::kReconnecting:
      return "reconnecting";
  }
  return "unknown";
}

namespace {
template <class States>
auto find_by_name(const States& states, std::string_view name) {
  std::optional<typename States::value_type> found;
  for (const auto state : states) {
    if (to_string(state) == name) found = state;
  }
  return found;
}
}  // namespace

std::optional<JobStatus> job_status_from(std::string_view name) {
  return find_by_name(kJobStatuses, name);
}
std::optional<ExecutionState> execution_state_from(std::string_view name) {
  return find_by_name(kExecutionStates, name);
}
std::optional<InstanceStatus> instance_status_from(std::string_view name) {
  return find_by_name(kInstanceStatuses, name);
}

bool is_final(JobStatus status) {
  return status == JobStatus::kCompleted || status == JobStatus::kFailed || status == JobStatus::kCancelled;
}

bool is_final(ExecutionState state) {
  switch (state) {
    case ExecutionState::kWithdrawn:
    case ExecutionState::kNotAccepted:
    case ExecutionState::kCompleted:
    case ExecutionState::kFailed:
    case ExecutionState::kCancelled:
    case ExecutionState::kLost:
      return true;
    default:
      return false;
  }
}

bool holds_slot(ExecutionState state) {
  switch (state) {
    case ExecutionState::kAssigned:
    case ExecutionState::kSubmitting:
    case ExecutionState::kQueued:
    case ExecutionState::kRunning:
      return true;
    default:
      return false;
  }
}

}  // namespace renderyard::domain
