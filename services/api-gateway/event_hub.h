// The lifecycle events of the whole system as this gateway hears them: follows the settled, ordered stream of ONE
// dispatcher and hands each event to every listener, in order, once. When the stream is lost or silent it goes on at
// the next dispatcher with its position, so nothing is missed and nothing comes twice; when the position is no longer
// good (another database, or cleaned-up events), listeners are told so and it begins anew. Thread-safety: on the
// strand. Listeners are held weakly and must not call back into the hub from their callbacks.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/clock.h"
#include "libs/common/base/event.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/random.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/ports/peers.h"
#include "services/api-gateway/feed.h"

namespace renderyard::gateway {

// Rendered once, shared by all listeners.
struct FeedEvent {
  ports::JobEvent event;
  FeedMessage message;
};

class EventHub {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_event(const std::shared_ptr<const FeedEvent>& event) = 0;
    // The position is lost: what the listener was told does not connect to what comes next.
    virtual void on_reset() = 0;
  };

  struct Deps {
    base::Strand& strand;
    base::Clock& clock;
    base::Random& random;
    base::Journal& journal;
    ports::DispatcherClient& dispatchers;
  };
  struct Config {
    std::vector<std::string> addresses;          // at least one
    absl::Duration silence = absl::Seconds(15);  // a stream without even a heartbeat is lost (they come every 5 s)
    absl::Duration retry_first = absl::Milliseconds(100);
    absl::Duration retry_limit = absl::Seconds(5);
  };

  EventHub(Deps deps, Config config);

  // Until cancelled.
  base::Task<absl::Status> run();

  // Knows where it is. Once true it only becomes false for the time between a reset and the next stream.
  bool ready() const { return cursor_.has_value(); }
  // A dispatcher's stream is being read now.
  bool following() const { return following_; }
  // When ready(): everything with an id up to cursor() is settled and has been handed to the listeners.
  const std::string& epoch() const { return epoch_; }
  std::int64_t cursor() const { return *cursor_; }
  // OK when ready and cursor() >= id; DEADLINE_EXCEEDED, CANCELLED.
  base::Task<absl::Status> wait_for(std::int64_t id, absl::Time deadline);

  void attach(std::weak_ptr<Listener> listener) { listeners_.push_back(std::move(listener)); }
  // Beside the listeners, called for every event after them.
  void on_event(absl::AnyInvocable<void(const ports::JobEvent&)> observer) { observer_ = std::move(observer); }
  // Called when final events may have been missed: at every beginning without a position, the first one included.
  void on_reset(absl::AnyInvocable<void()> observer) { reset_observer_ = std::move(observer); }
  // Called when a stream is found (true) and when it is lost (false).
  void on_following(absl::AnyInvocable<void(bool)> observer) { following_observer_ = std::move(observer); }

 private:
  base::Task<absl::Status> follow(std::string address);
  void apply(ports::EventBatch batch);
  void deliver(ports::JobEvent event);
  void reset();
  void check_seq(const ports::JobEvent& event);

  Deps deps_;
  Config config_;
  base::Event moved_;
  std::string epoch_;
  std::optional<std::int64_t> cursor_;
  bool following_ = false;
  std::vector<std::weak_ptr<Listener>> listeners_;
  absl::AnyInvocable<void(const ports::JobEvent&)> observer_;
  absl::AnyInvocable<void()> reset_observer_;
  absl::AnyInvocable<void(bool)> following_observer_;
  std::map<base::JobId, int> last_seq_;  // of jobs that have not ended: events of a job come without a gap
};

}  // namespace renderyard::gateway
