// From assigned to accepted: the intent is committed, the prompt is POSTed once, and where nobody can know what became
// of it, ComfyUI is looked at until it is known or 60 s have passed.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

#include "services/bridge/execution_context.h"

namespace renderyard::bridge {

enum class Next {
  kFollow,  // ComfyUI has it: the row is queued, running or collecting
  kStop,    // final, or not ours any more
};

// row assigned. CANCELLED when the worker ends.
base::Task<absl::StatusOr<Next>> submit(ExecutionContext context);

// What is known of a POST whose outcome is unclear.
struct UnclearPost {
  bool own = false;                 // this very process sent it, and its connection is gone
  std::uint64_t socket_before = 0;  // Connection::generation() when it was sent; 0 = no socket
  std::string witness_before;       // a prompt known to be in the server's history before it was sent
  std::string refusal;              // what it was answered with, if it was: a proxy's words, or a sick server's
};

// row submitting: also for executions adopted in this state, where nobody knows whether the POST was sent.
base::Task<absl::StatusOr<Next>> resolve(ExecutionContext context, UnclearPost post);

}  // namespace renderyard::bridge
