// What the bridge needs from outside, and its settings. Thread-safety: the ports are used on the strand only.
#pragma once

#include <absl/time/time.h>

#include "libs/common/base/clock.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/random.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/artifact_store.h"
#include "libs/common/ports/comfy_instance.h"
#include "libs/common/ports/execution_store.h"
#include "libs/common/ports/hints.h"
#include "libs/common/ports/progress_cache.h"
#include "services/bridge/observer.h"

namespace renderyard::bridge {

struct Deps {
  base::Strand& strand;
  base::Clock& clock;
  base::Random& random;
  base::Journal& journal;
  ports::ExecutionStore& executions;
  ports::ComfyConnector& comfy;
  ports::ArtifactStore& artifacts;
  ports::ProgressCache& cache;
  ports::Hints& hints;
  Observer& observer;
};

struct Config {
  ports::BridgeIdentity identity;
  absl::Duration lease_ttl = absl::Seconds(12);
  absl::Duration lease_renew = absl::Seconds(3);
  absl::Duration lease_margin = absl::Seconds(3);  // local trust ends this much before the lease
  // For assigned rows, wishes, free leases, changed instances; from the beginning of a look to that of the next. What
  // is changed just after it was read is to be noticed within a second.
  absl::Duration look_every = absl::Milliseconds(700);
  absl::Duration look_gap = absl::Milliseconds(20);  // the least between two looks, however many hints come
  int leases_per_look = 64;

  absl::Duration connect_deadline = absl::Seconds(10);
  absl::Duration ping_every = absl::Seconds(15);
  absl::Duration ping_deadline = absl::Seconds(10);
  absl::Duration close_deadline = absl::Seconds(5);
  // Without new work, after the first POST that a server refused; doubled with each in a row, up to the second.
  absl::Duration refusal_hold = absl::Seconds(30);
  absl::Duration refusal_hold_longest = absl::Minutes(10);

  absl::Duration post_deadline = absl::Seconds(30);
  absl::Duration request_deadline = absl::Seconds(15);
  absl::Duration unclear_look_every = absl::Seconds(2);
  absl::Duration unclear_limit = absl::Seconds(60);

  absl::Duration status_after_post = absl::Seconds(2);  // a status must follow our own POST, else the socket is deaf
  int reopen_limit = 2;  // fruitless reopenings before an instance is followed by polling
  absl::Duration watchdog_first = absl::Seconds(5);
  absl::Duration watchdog_last = absl::Seconds(120);
  absl::Duration watchdog_unproven = absl::Seconds(20);  // at most, on an adoption socket that has said nothing yet
  absl::Duration poll_without_socket = absl::Seconds(2);
  absl::Duration pictures_patience =
      absl::Seconds(3);                            // after the last word, for outputs on a socket behind the history
  absl::Duration vanished_gap = absl::Seconds(2);  // between the two looks that make a prompt lost

  absl::Duration stop_grace = absl::Seconds(30);            // for a prompt to stop when its limit has passed
  absl::Duration outlives_after = absl::Seconds(60);        // an adopted execution does not kill its bridge
  absl::Duration quarantine_look_every = absl::Seconds(5);  // whether its cause is gone
  absl::Duration stray_watch = absl::Hours(1);              // for a prompt of a dead execution that nobody has seen yet

  absl::Duration progress_every = absl::Seconds(1);               // of one execution, to subscribers
  absl::Duration silence_shown_after = absl::Seconds(10);         // of a running execution
  absl::Duration progress_write_every = absl::Milliseconds(500);  // of all executions, to the database
  absl::Duration turn_patience = absl::Minutes(1);                // where prompts are sent one at a time
  absl::Duration start_patience = absl::Milliseconds(5);          // after the answer to a POST, for the prompt's start
  absl::Duration collect_quietly = absl::Milliseconds(100);       // copying that is over by then is no state of its own
  absl::Duration fetch_deadline = absl::Minutes(30);
  absl::Duration truncated_patience = absl::Minutes(1);   // with a file that ends early again and again
  absl::Duration store_patience = absl::Minutes(1);       // for one call to the artifact store
  absl::Duration fetch_budget = absl::Minutes(30);        // for getting one execution's files out of its instance
  absl::Duration capabilities_every = absl::Minutes(10);  // and after every connection,
  absl::Duration capabilities_gap = absl::Minutes(1);     // but not sooner than so after the last reading, and again
                                                          // so soon after one that failed,
  absl::Duration capabilities_spread = absl::Seconds(5);  // and up to so later, for a fleet that connects at once,
                                                          // unless prompts wait for it (more slots than one)
  absl::Duration capabilities_deadline = absl::Minutes(1);
  int capabilities_at_once = 8;              // instances: each may answer with megabytes
  absl::Duration drain = absl::Seconds(10);  // for POSTs in flight at a regular stop
  absl::Duration witness_every = absl::Seconds(10);
};

// A lease this process holds. Owned by the bridge; workers look at it before every POST.
struct HeldLease {
  base::InstanceId instance_id;
  base::Epoch epoch;
  // By the local clock: attempt start + ttl - margin. Local time may only shorten trust, the database decides.
  absl::Time trusted_until;
  std::string previous_owner;
  std::string previous_lock;
};

}  // namespace renderyard::bridge
