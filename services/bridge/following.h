// From accepted to the end: listens to the socket, asks over REST where the socket is silent, reports progress, stops
// the prompt on a person's wish, and decides how it ended. The socket is a hint, history is the truth.
#pragma once

#include <absl/status/statusor.h>

#include <optional>

#include "services/bridge/execution_context.h"

namespace renderyard::bridge {

// row queued or running. The prompt succeeded: the step to collecting, not written yet; its outputs are now to be
// collected. nullopt: the row is final or not ours any more (look at row.state). CANCELLED when the worker ends.
base::Task<absl::StatusOr<std::optional<ports::Advance>>> follow(ExecutionContext context);

}  // namespace renderyard::bridge
