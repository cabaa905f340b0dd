// The states of jobs, executions and instances, by the names the database uses. The legal edges and who may walk them
// stand in machines.h.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace renderyard::domain {

// jobs.status_id; the numbers are those of table job_statuses.
enum class JobStatus { kPending = 1, kRunning = 2, kCompleted = 3, kFailed = 4, kCancelled = 5, kRetrying = 6 };

inline constexpr std::array kJobStatuses = {JobStatus::kPending, JobStatus::kRunning,   JobStatus::kCompleted,
                                            JobStatus::kFailed,  JobStatus::kCancelled, JobStatus::kRetrying};

// comfyui_executions.status.
enum class ExecutionState {
  kAssigned,     // born in the dispatcher's claim; nothing was sent
  kWithdrawn,    // taken back by the dispatcher: provably never sent (final)
  kSubmitting,   // the bridge committed its intent to POST; it may or may not have been sent
  kNotAccepted,  // provably, or on strong evidence, not accepted by ComfyUI (final)
  kQueued,       // accepted, waits in ComfyUI's queue
  kRunning,      // ComfyUI executes it
  kCollecting,   // the prompt has ended well, outputs are being copied; the slot is free
  kCompleted,    // outputs are stored (final)
  kFailed,       // ended with an error, or its outputs could not be had (final)
  kCancelled,    // interrupted or deleted on a person's wish (final)
  kLost,         // ComfyUI no longer knows it, or nobody can know whether it accepted it (final)
};

inline constexpr std::array kExecutionStates = {
    ExecutionState::kAssigned, ExecutionState::kWithdrawn, ExecutionState::kSubmitting, ExecutionState::kNotAccepted,
    ExecutionState::kQueued,   ExecutionState::kRunning,   ExecutionState::kCollecting, ExecutionState::kCompleted,
    ExecutionState::kFailed,   ExecutionState::kCancelled, ExecutionState::kLost};

// comfyui_instances.status: the connection as the owning bridge sees it.
enum class InstanceStatus { kDisabled, kDisconnected, kConnecting, kConnected, kPolling, kReconnecting };

inline constexpr std::array kInstanceStatuses = {InstanceStatus::kDisabled,   InstanceStatus::kDisconnected,
                                                 InstanceStatus::kConnecting, InstanceStatus::kConnected,
                                                 InstanceStatus::kPolling,    InstanceStatus::kReconnecting};

std::string_view to_string(JobStatus status);
std::string_view to_string(ExecutionState state);
std::string_view to_string(InstanceStatus status);
std::optional<JobStatus> job_status_from(std::string_view name);
std::optional<ExecutionState> execution_state_from(std::string_view name);
std::optional<InstanceStatus> instance_status_from(std::string_view name);

bool is_final(JobStatus status);
bool is_final(ExecutionState state);
// Executions in these states occupy their slot.
bool holds_slot(ExecutionState state);

}  // namespace renderyard::domain
