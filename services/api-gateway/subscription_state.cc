#include "services/api-gateway/subscription_state.h"

#include <algorithm>

#include "libs/common/domain/error_code.h"

namespace renderyard::gateway {

Subscription::State::State(base::Strand& strand, base::Clock& clock, const Config& config, const ports::User& user,
                           const SubscribeRequest& request)
    : changed_(strand, clock),
      max_events_(config.max_events),
      max_progress_(config.max_progress),
      user_(user),
      request_(request) {}

bool Subscription::State::wants(ports::UserId owner, ports::JobId job) const {
  const bool admin = user_.role == ports::Role::kAdmin;
  switch (request_.scope) {
    case SubscribeRequest::Scope::kOwn:
      return owner == user_.id;
    case SubscribeRequest::Scope::kAll:
      return admin;
    case SubscribeRequest::Scope::kListed:
      return (admin || owner == user_.id) && request_.jobs.contains(job.value);
  }
  return false;
}

void Subscription::State::on_event(const std::shared_ptr<const FeedEvent>& event) {
  if (!live_ || ended_ || !wants(event->event.user_id, event->event.job_id)) return;
  if (!tell(event->event)) return;
  if (events_waiting_ >= max_events_) {
    end(make_problem(domain::code::kSlowConsumer,
                     "the connection reads more slowly than events come; reconnect with the last position"));
    return;
  }
  // Progress that waits in front of the job's end stays there; nothing may be put into its place any more.
  if (ends_job(event->event.type)) progress_waiting_.erase(event->event.job_id);
  queue_.emplace_back(event);
  ++events_waiting_;
  changed_.notify();
}

void Subscription::State::on_progress(const std::shared_ptr<const ports::Progress>& progress) {
  if (ended_ || !wants(progress->user_id, progress->job_id)) return;
  int& told = told_percent_[progress->job_id];
  if (progress->percent < told) return;
  told = progress->percent;
  const auto waiting = progress_waiting_.find(progress->job_id);
  if (waiting != progress_waiting_.end()) {
    *waiting->second = progress;
    return;
  }
  if (progress_waiting_.size() >= max_progress_) {
    const auto oldest = std::find_if(queue_.begin(), queue_.end(), [](const Item& item) { return item.index() == 1; });
    progress_waiting_.erase(std::get<1>(*oldest)->job_id);
    queue_.erase(oldest);
  }
  queue_.emplace_back(progress);
  progress_waiting_[progress->job_id] = std::prev(queue_.end());
  changed_.notify();
}

void Subscription::State::on_reset() {
  end(make_problem(domain::code::kPositionExpired,
                   "the database was restored, or old events were removed; subscribe without a position"));
}

void Subscription::State::told_row(const ports::JobRow& row) {
  row_seq_[row.id] = row.event_seq;
  if (!domain::is_final(row.status)) told_percent_[row.id] = row.progress_percent;
}

bool Subscription::State::tell(const ports::JobEvent& event) {
  const auto row = row_seq_.find(event.job_id);
  if (row != row_seq_.end()) {
    if (event.seq <= row->second) return false;
    // Those that follow are newer still; but before the feed has caught up, older ones may yet be read.
    if (caught_up_) row_seq_.erase(row);
  }
  if (ends_job(event.type)) told_percent_.erase(event.job_id);
  return true;
}

void Subscription::State::end(std::optional<Problem> problem) {
  if (ended_) return;
  ended_ = true;
  live_ = false;
  problem_ = std::move(problem);
  queue_.clear();
  progress_waiting_.clear();
  events_waiting_ = 0;
  changed_.notify();
}

std::optional<FeedMessage> Subscription::State::pop() {
  if (queue_.empty()) return std::nullopt;
  const Item item = std::move(queue_.front());
  if (item.index() == 0) {
    --events_waiting_;
    queue_.pop_front();
    return std::get<0>(item)->message;
  }
  const auto& progress = std::get<1>(item);
  const auto waiting = progress_waiting_.find(progress->job_id);
  if (waiting != progress_waiting_.end() && waiting->second == queue_.begin()) progress_waiting_.erase(waiting);
  queue_.pop_front();
  return progress_message(*progress);
}

}  // namespace renderyard::gateway
