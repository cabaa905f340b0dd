// The way the workload reaches the system: what a client does over HTTP and WebSocket, without the bytes. Requests and
// streams cross the simulated network to whichever gateway process lives now.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/stream.h"
#include "libs/common/ports/model.h"
#include "libs/common/testing/sim/process.h"
#include "tests/simulation/park.h"

namespace renderyard::simulation {

// What a job is made of, and what must become of it.
struct PlannedJob {
  enum class Kind { kGood, kFailing, kRefused, kHanging };
  Kind kind = Kind::kGood;
  int n = 0;
  absl::Duration at;                   // after the start of the workload
  std::string workflow;                // API format
  std::string picture;                 // what its output files must show
  std::vector<std::string> out_nodes;  // ids of its output nodes, once for each output; sorted
  bool socket_pictures = false;        // some outputs come over the socket alone
  std::string bad_node;                // kFailing, kRefused: the node to blame
  int priority = 0;
  std::string idempotency_key;
  std::optional<int> wait_secs, run_secs, silence_secs;  // its limits
  std::optional<absl::Duration> cancel_after;            // after the acknowledgement
};

class Door {
 public:
  Door(sim::Process& client, Park& park) : client_(client), park_(park) {}

  // POST /api/v1/jobs. UNAVAILABLE (503, a reset), DEADLINE_EXCEEDED: it may have happened.
  base::Task<absl::StatusOr<base::JobId>> submit(PlannedJob job);
  // POST /api/v1/jobs/:id/cancel. OK = 204, the wish is durable; FAILED_PRECONDITION = 409, it has ended.
  base::Task<absl::Status> cancel(base::JobId job);
  // /api/v1/ws: everything after the position; "" = from now on, with a snapshot.
  base::StreamPtr<gateway::FeedMessage> watch(std::string since);

 private:
  using Answered = std::function<void(absl::StatusOr<base::JobId>)>;
  using Handler = std::function<base::Task<absl::Status>(gateway::Gateway&, Answered)>;
  // One HTTP request to the gateway that lives now.
  base::Task<absl::StatusOr<base::JobId>> request(Handler handler);

  sim::Process& client_;
  Park& park_;
};

}  // namespace renderyard::simulation
