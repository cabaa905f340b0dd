// The part of a Subscription that the hubs speak to: filter, bounded queue, and what the subscriber has been told of
// each job. Private to subscription.cc. Thread-safety: on the strand.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "libs/common/base/event.h"
#include "services/api-gateway/event_hub.h"
#include "services/api-gateway/progress_hub.h"
#include "services/api-gateway/subscription.h"

namespace renderyard::gateway {

class Subscription::State final : public EventHub::Listener, public ProgressHub::Listener {
 public:
  State(base::Strand& strand, base::Clock& clock, const Config& config, const ports::User& user,
        const SubscribeRequest& request);

  // Whether this subscriber may and wants to see it.
  bool wants(ports::UserId owner, ports::JobId job) const;

  void on_event(const std::shared_ptr<const FeedEvent>& event) override;
  void on_progress(const std::shared_ptr<const ports::Progress>& progress) override;
  void on_reset() override;

  // The subscriber knows the job as its row was: events up to its event_seq and lower percents are no news.
  void told_row(const ports::JobRow& row);
  // True when the event is news; from then on it counts as told.
  bool tell(const ports::JobEvent& event);

  void end(std::optional<Problem> problem);
  bool ended() const { return ended_; }
  const std::optional<Problem>& problem() const { return problem_; }

  // Events of the hub are queued from now on.
  void go_live() { live_ = true; }
  // Older events come no more.
  void caught_up() { caught_up_ = true; }
  // The next message that waits; nullopt when none does.
  std::optional<FeedMessage> pop();
  base::Event& changed() { return changed_; }

 private:
  using Item = std::variant<std::shared_ptr<const FeedEvent>, std::shared_ptr<const ports::Progress>>;

  base::Event changed_;
  const std::size_t max_events_;
  const std::size_t max_progress_;
  const ports::User user_;
  const SubscribeRequest request_;
  bool live_ = false;
  bool caught_up_ = false;
  bool ended_ = false;
  std::optional<Problem> problem_;
  std::list<Item> queue_;
  std::size_t events_waiting_ = 0;
  std::map<ports::JobId, std::list<Item>::iterator> progress_waiting_;
  std::map<ports::JobId, int> row_seq_;       // event_seq of the snapshot's row
  std::map<ports::JobId, int> told_percent_;  // of jobs that have not ended
};

}  // namespace renderyard::gateway
