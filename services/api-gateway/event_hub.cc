#include "services/api-gateway/event_hub.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::gateway {

namespace {

// with_deadline() takes a task of Status: the item goes beside it. CANCELLED means that we were cancelled; a peer that
// ends its stream so is just gone.
base::Task<absl::Status> read_batch(base::Stream<ports::EventBatch>* stream, std::optional<ports::EventBatch>* batch) {
  auto item = co_await stream->next();
  if (absl::IsCancelled(item.status())) {
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    const bool by_us = state.cancelled() != boost::asio::cancellation_type::none;
    if (!by_us) co_return absl::UnavailableError("the dispatcher cancelled its stream");
  }
  CO_RETURN_IF_ERROR(item.status());
  *batch = *std::move(item);
  co_return absl::OkStatus();
}

}  // namespace

EventHub::EventHub(Deps deps, Config config)
    : deps_(deps), config_(std::move(config)), moved_(deps.strand, deps.clock) {}

base::Task<absl::Status> EventHub::run() {
  std::size_t next = 0;
  int failures = 0;
  for (;;) {
    const std::string address = config_.addresses[next];
    next = (next + 1) % config_.addresses.size();
    const absl::Status status = co_await follow(address);
    if (absl::IsCancelled(status)) co_return status;
    const bool was_following = std::exchange(following_, false);
    if (was_following) failures = 0;
    if (was_following && following_observer_) following_observer_(false);
    deps_.journal.record(was_following ? base::Severity::kWarning : base::Severity::kDebug, "event_stream_lost",
                         {{"dispatcher", address}, {base::key::kReason, status.ToString()}});
    if (absl::IsFailedPrecondition(status)) reset();
    const absl::Duration limit = std::min(config_.retry_first * (1 << std::min(failures++, 10)), config_.retry_limit);
    const absl::Duration pause = limit / 2 + deps_.random.jitter(limit / 2);
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
  }
}

base::Task<absl::Status> EventHub::wait_for(std::int64_t id, absl::Time deadline) {
  while (!cursor_ || *cursor_ < id) CO_RETURN_IF_ERROR(co_await moved_.wait_until(deadline));
  co_return absl::OkStatus();
}

base::Task<absl::Status> EventHub::follow(std::string address) {
  auto stream = deps_.dispatchers.events(address, epoch_, cursor_);
  for (;;) {
    std::optional<ports::EventBatch> batch;
    const absl::Time deadline = deps_.clock.now() + config_.silence;
    auto reading = read_batch(stream.get(), &batch);
    CO_RETURN_IF_ERROR(co_await base::with_deadline(deps_.strand, deps_.clock, std::move(reading), deadline));
    if (!batch) co_return absl::UnavailableError("the dispatcher ended its stream");
    if (!std::exchange(following_, true)) {
      deps_.journal.info("event_stream_followed", {{"dispatcher", address}});
      if (following_observer_) following_observer_(true);
    }
    apply(*std::move(batch));
  }
}

void EventHub::apply(ports::EventBatch batch) {
  if (!epoch_.empty() && epoch_ != batch.epoch) reset();
  epoch_ = batch.epoch;
  if (!cursor_) {
    cursor_ = batch.events.empty() ? batch.upto : batch.events.front().id - 1;
    // Jobs may have ended before this, unheard.
    if (reset_observer_) reset_observer_();
  }
  for (ports::JobEvent& event : batch.events) {
    if (event.id > *cursor_) deliver(std::move(event));
  }
  cursor_ = std::max(*cursor_, batch.upto);
  moved_.notify();
}

void EventHub::deliver(ports::JobEvent event) {
  check_seq(event);
  cursor_ = event.id;
  auto shared = std::make_shared<FeedEvent>();
  shared->message = event_message(event, epoch_);
  shared->event = std::move(event);
  bool gone = false;
  for (const auto& weak : listeners_) {
    if (auto listener = weak.lock()) {
      listener->on_event(shared);
    } else {
      gone = true;
    }
  }
  if (gone) std::erase_if(listeners_, [](const auto& weak) { return weak.expired(); });
  if (observer_) observer_(shared->event);
}

void EventHub::check_seq(const ports::JobEvent& event) {
  const auto known = last_seq_.find(event.job_id);
  if (known != last_seq_.end() && event.seq != known->second + 1) {
    // Numbers of a job are gap-free in the database, so this is a defect of ours; clients are told what did arrive.
    deps_.journal.error("event_seq_gap",
                        {{base::key::kJob, event.job_id}, {"expected", known->second + 1}, {"seq", event.seq}});
  }
  if (ends_job(event.type)) {
    last_seq_.erase(event.job_id);
  } else {
    last_seq_[event.job_id] = event.seq;
  }
}

void EventHub::reset() {
  deps_.journal.warning("event_position_lost", {{"database_epoch", epoch_}});
  epoch_.clear();
  cursor_.reset();
  last_seq_.clear();
  for (const auto& weak : listeners_) {
    if (auto listener = weak.lock()) listener->on_reset();
  }
  std::erase_if(listeners_, [](const auto& weak) { return weak.expired(); });
  if (reset_observer_) reset_observer_();
}

}  // namespace renderyard::gateway
