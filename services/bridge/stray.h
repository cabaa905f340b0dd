// Strays: prompts that go on at an instance though their executions have ended: given up by an operator, or surfacing
// after they were counted absent or nobody could know of them (those are watched for, Config::stray_watch long). They
// are asked to stop, only by means that can hit no other prompt, until they are gone; what became of them is recorded.
// Survives its process: whoever drives the instance next finds the execution again. Thread-safety: on the strand.
#pragma once

#include <absl/status/status.h>

#include <optional>
#include <string>

#include "services/bridge/execution_context.h"

namespace renderyard::bridge {

// ports::ExecutionRow::stray_outcome of a prompt that is gone. `entry`: what the history has of it.
std::string stray_outcome(const std::optional<domain::HistoryEntry>& entry);

// OK: it is recorded, or the instance is not ours any more. CANCELLED when the worker ends.
base::Task<absl::Status> stop_stray(ExecutionContext context);

}  // namespace renderyard::bridge
