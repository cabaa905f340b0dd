// From accepted to the end: listens to the socket, asks over REST where the socket is silent, reports progress, stops
// the prompt on a person's wish, and decides how it ended. The socket is a hint, history is the truth.
#pragma once

#include <absl/status/status.h>

#include "services/bridge/execution_context.h"

namespace renderyard::bridge {

// row queued or running. Returns when the row is collecting, final, or not ours any more (look at row.state).
// CANCELLED when the worker ends.
base::Task<absl::Status> follow(ExecutionContext context);

}  // namespace renderyard::bridge
