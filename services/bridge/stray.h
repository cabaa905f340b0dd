// Strays: prompts that go on at an instance though their executions have ended. One that an operator gave up is asked
// to stop, only by means that can hit no other prompt, until it is gone; what became of it is recorded then. Survives
// its process: whoever drives the instance next finds the execution again. Thread-safety: on the strand.
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
