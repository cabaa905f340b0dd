// One subscriber's feed: a snapshot or what was missed since a position, then everything live, without a gap and
// without a double (promise G6).
//
// Without a position: the hub's cursor P is read first, then the live jobs with their event numbers; the snapshot
// carries P, and of the events after P those that a job's row already showed are skipped. With a position: what lies
// between it and the hub's cursor is read from the database in batches. Near the end of either the feed notes the hub's
// cursor and, in the same step without an await, begins to queue what the hub hands over; then it reads the rest up to
// that cursor.
//
// Bounded: lifecycle events are never dropped; when max_events of them wait to be read the feed ends with
// slow_consumer. Progress is kept as the latest of each job, in its place in the order, at most max_progress jobs (the
// oldest goes), and never goes backwards within one feed. next(): messages; the last one may be of kind kError and says
// why the feed ends; then nullopt. CANCELLED. Thread-safety: on the strand. Must not be read after the gateway is gone;
// may be destroyed after it.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "libs/common/base/clock.h"
#include "libs/common/base/event.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/stream.h"
#include "libs/common/base/task.h"
#include "libs/common/ports/job_store.h"
#include "services/api-gateway/event_hub.h"
#include "services/api-gateway/feed.h"
#include "services/api-gateway/progress_hub.h"

namespace renderyard::gateway {

class Subscription final : public base::Stream<FeedMessage> {
 public:
  struct Deps {
    base::Strand& strand;
    base::Clock& clock;
    ports::JobStore& store;
    EventHub& events;
    ProgressHub& progress;
  };
  struct Config {
    std::size_t max_events = 4096;    // waiting to be read
    std::size_t max_progress = 4096;  // jobs whose progress waits to be read
    std::size_t snapshot_part = 500;  // jobs per message
    std::size_t snapshot_jobs = 10'000;
    int batch = 500;  // events per read from the database
    absl::Duration heartbeat = absl::Seconds(15);
    absl::Duration ready_wait = absl::Seconds(10);  // for the hub, and for it to reach a position it is behind of
    absl::Duration store_wait = absl::Seconds(30);  // how long the database may be away
  };

  Subscription(Deps deps, Config config, ports::User user, SubscribeRequest request);

  base::Task<absl::StatusOr<std::optional<FeedMessage>>> next() override;

  // Ends the feed: with this as its last message, or (no problem) just so. What waits to be read is dropped. The first
  // close wins.
  void close(std::optional<Problem> problem);

 private:
  class State;

  base::Task<absl::Status> begin();
  base::Task<absl::Status> resume(std::string since);
  base::Task<absl::Status> take_snapshot();
  base::Task<absl::Status> load_live(std::vector<ports::JobRow>* rows, bool* truncated);
  base::Task<absl::Status> load_listed(std::vector<ports::JobRow>* rows);
  base::Task<absl::Status> catch_up();
  base::Task<absl::Status> step();
  void emit_snapshot(std::vector<ports::JobRow> rows, bool truncated);
  std::optional<ports::UserId> owner_filter() const;

  Deps deps_;
  Config config_;
  ports::User user_;
  SubscribeRequest request_;
  std::shared_ptr<State> state_;
  std::deque<FeedMessage> out_;             // read from the database, before live
  Position position_;                       // before live: everything up to here is in out_ or has been read
  std::optional<std::int64_t> live_after_;  // later events come from the hub, through the queue
  bool near_ = false;                       // the last read from the database reached the hub's cursor
  bool caught_up_ = false;
  bool begun_ = false;
  bool end_told_ = false;
  std::optional<absl::Time> store_away_since_;
};

}  // namespace renderyard::gateway
