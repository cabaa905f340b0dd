// The dispatcher: claims waiting jobs for free slots, takes back what no bridge started, settles jobs from what became
// of their executions, and serves the settled lifecycle events. Several may run at once; the database's fences keep
// them from doing anything twice. All hints may be lost: each loop also looks by itself. Thread-safety: everything on
// the strand. Ownership: the ports outlive the dispatcher.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "libs/common/base/clock.h"
#include "libs/common/base/event.h"
#include "libs/common/base/group.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/random.h"
#include "libs/common/base/strand.h"
#include "libs/common/domain/settlement.h"
#include "libs/common/ports/dispatch_store.h"
#include "libs/common/ports/event_log.h"
#include "libs/common/ports/hints.h"
#include "libs/common/ports/peers.h"
#include "services/dispatcher/event_tailer.h"

namespace renderyard::dispatcher {

struct Deps {
  base::Strand& strand;
  base::Clock& clock;
  base::Random& random;
  base::Journal& journal;
  ports::DispatchStore& store;
  ports::EventLog& log;
  ports::BridgeClient& bridges;
  ports::Hints& hints;
  // Told of every change of whether the database answers; may be empty.
  std::function<void(bool)> on_store = {};
};

struct Config {
  std::string id = "dispatcher";                      // jobs.claimed_by
  absl::Duration poll = absl::Seconds(1);             // how long a lost hint can delay anything
  absl::Duration withdraw_after = absl::Seconds(10);  // an assignment that no bridge has started by then is taken back
  absl::Duration wake_deadline = absl::Seconds(2);    // for one SubmitExecution
  int submission_attempts = domain::kMostNotAccepted;
  int batch = 256;  // jobs per claim, executions per settlement
};

class Dispatcher {
 public:
  Dispatcher(Deps deps, Config config);

  // Runs until stop(); OK then. Store errors are retried for ever, with a journal line each time they begin.
  base::Task<absl::Status> run();
  void stop();

  // See ports::DispatcherClient::events.
  base::StreamPtr<ports::EventBatch> watch_events(std::string epoch, std::optional<std::int64_t> after);

 private:
  base::Task<absl::Status> claim_loop();
  base::Task<absl::Status> settle_loop();
  base::Task<absl::Status> withdraw_loop();

  base::Task<absl::StatusOr<bool>> claim_once();
  base::Task<absl::StatusOr<bool>> settle_once();
  base::Task<absl::StatusOr<bool>> withdraw_once();
  base::Task<absl::Status> tell_waiting_reason(const ports::Fleet& fleet, bool jobs_wait);
  base::Task<absl::Status> wake_bridge(ports::ClaimedExecution claimed);

  // Waits for `event` or the poll; after an error a little longer.
  base::Task<absl::Status> rest(base::Event& event, bool failed);
  void note(std::string_view loop, const absl::Status& status);

  Deps deps_;
  Config config_;
  base::Event jobs_;        // something may be claimable
  base::Event executions_;  // something may be to settle
  base::Event wishes_;      // something assigned may be to take back
  base::Group group_;
  EventTailer tailer_;
  std::string waiting_reason_;
  bool waiting_reason_known_ = false;
  bool store_away_ = false;
  std::map<std::string, bool, std::less<>> failing_;  // by loop: so that a state change is one line, not one a second
};

}  // namespace renderyard::dispatcher
