// What really happened at a fake ComfyUI server, for the checks of a simulation: nothing of it is visible to the
// services.
#pragma once

#include <absl/time/time.h>

#include <string>
#include <vector>

namespace renderyard::testing {

struct ComfyLedgerEntry {
  enum class What {
    kPosted,    // a POST /prompt was read by the server
    kAccepted,  // it was put into the queue
    kRefused,   // it was answered with an error instead
    kStarted,
    kEnded,     // in whatever way
    kVanished,  // the server died or its queue was wiped
  };
  What what;
  absl::Time at;
  int life = 0;  // of the server; restarts raise it
  std::string prompt_id;
  std::string execution_id;  // extra_data.renderyard.execution_id
  std::string job_id;        // extra_data.renderyard.job_id
};

using ComfyLedger = std::vector<ComfyLedgerEntry>;

}  // namespace renderyard::testing
