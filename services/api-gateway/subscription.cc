#include "services/api-gateway/subscription.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/error_code.h"
#include "services/api-gateway/subscription_state.h"

namespace renderyard::gateway {

namespace {

namespace code = domain::code;

Problem expired(std::string detail) {
  return make_problem(code::kPositionExpired, std::move(detail) + "; subscribe without a position", "since");
}

}  // namespace

Subscription::Subscription(Deps deps, Config config, ports::User user, SubscribeRequest request)
    : deps_(deps),
      config_(config),
      user_(std::move(user)),
      request_(std::move(request)),
      state_(std::make_shared<State>(deps_.strand, deps_.clock, config_, user_, request_)) {
  // From the start: a reset of the hub while the snapshot is being read must end this feed too.
  deps_.events.attach(state_);
}

void Subscription::close(std::optional<Problem> problem) {
  state_->end(std::move(problem));
}

base::Task<absl::StatusOr<std::optional<FeedMessage>>> Subscription::next() {
  const absl::Time heartbeat_at = deps_.clock.now() + config_.heartbeat;
  for (;;) {
    if (state_->ended()) {
      if (std::exchange(end_told_, true) || !state_->problem()) co_return std::optional<FeedMessage>();
      co_return std::optional<FeedMessage>(error_message(*state_->problem()));
    }
    if (!out_.empty()) {
      std::optional<FeedMessage> message(std::move(out_.front()));
      out_.pop_front();
      co_return message;
    }
    if (!caught_up_) {
      CO_RETURN_IF_ERROR(co_await step());
      continue;
    }
    if (auto message = state_->pop()) co_return message;
    const absl::Status status = co_await state_->changed().wait_until(heartbeat_at);
    if (!absl::IsDeadlineExceeded(status)) {
      CO_RETURN_IF_ERROR(status);
      continue;
    }
    // Events may have come in the moment the wait ended, and a heartbeat's position must not overtake them.
    if (auto message = state_->pop()) co_return message;
    // Nothing waits, so everything up to the hub's cursor has been read.
    if (!state_->ended() && deps_.events.ready()) {
      const Position here{deps_.events.epoch(), deps_.events.cursor()};
      co_return std::optional<FeedMessage>(heartbeat_message(here, deps_.clock.wall()));
    }
  }
}

// One step towards live; an error status only when the reader was cancelled.
base::Task<absl::Status> Subscription::step() {
  absl::Status status;
  if (begun_) {
    status = co_await catch_up();
  } else {
    status = co_await begin();
  }
  if (status.ok()) {
    store_away_since_.reset();
    co_return status;
  }
  const absl::Time now = deps_.clock.now();
  if (!store_away_since_) store_away_since_ = now;
  if (now - *store_away_since_ > config_.store_wait) {
    close(make_problem(code::kUnavailable, "the database is away; reconnect with the last position in a moment"));
    co_return absl::OkStatus();
  }
  // Tells a cancelled reader from a database that is away.
  co_return co_await deps_.clock.sleep_for(absl::Milliseconds(250));
}

base::Task<absl::Status> Subscription::begin() {
  const absl::Time deadline = deps_.clock.now() + config_.ready_wait;
  const absl::Status ready = co_await deps_.events.wait_for(0, deadline);
  if (absl::IsDeadlineExceeded(ready)) {
    close(make_problem(code::kUnavailable, "no dispatcher answers, so there are no events now; reconnect in a moment"));
    co_return absl::OkStatus();
  }
  CO_RETURN_IF_ERROR(ready);
  if (request_.since) {
    CO_RETURN_IF_ERROR(co_await resume(*request_.since));
  } else {
    CO_RETURN_IF_ERROR(co_await take_snapshot());
  }
  begun_ = true;
  co_return absl::OkStatus();
}

base::Task<absl::Status> Subscription::resume(std::string since) {
  const auto position = Position::parse(since);
  if (!position) {
    close(make_problem(code::kInvalidField, "since must be a position as an earlier message gave it", "since"));
    co_return absl::OkStatus();
  }
  ASSIGN_OR_CO_RETURN(const ports::ClusterMeta meta, co_await deps_.store.cluster());
  if (position->epoch != meta.epoch) {
    close(expired("the position is of another database"));
    co_return absl::OkStatus();
  }
  if (position->id < meta.events_floor) {
    close(expired("events after the position have been removed"));
    co_return absl::OkStatus();
  }
  // Another gateway's dispatcher may be ahead of ours by a moment, never by more.
  const absl::Time deadline = deps_.clock.now() + config_.ready_wait;
  const absl::Status reached = co_await deps_.events.wait_for(position->id, deadline);
  if (absl::IsDeadlineExceeded(reached) || (reached.ok() && deps_.events.epoch() != position->epoch)) {
    close(expired("the position is ahead of the database"));
    co_return absl::OkStatus();
  }
  CO_RETURN_IF_ERROR(reached);
  position_ = *position;
  out_.push_back(resumed_message(position_, deps_.clock.wall()));
  co_return absl::OkStatus();
}

base::Task<absl::Status> Subscription::take_snapshot() {
  // First the bound, then the rows: what happens between shows in a row, in a later event, or in both, and then by its
  // number as the same.
  position_ = Position{deps_.events.epoch(), deps_.events.cursor()};
  std::vector<ports::JobRow> rows;
  bool truncated = false;
  if (request_.scope == SubscribeRequest::Scope::kListed) {
    CO_RETURN_IF_ERROR(co_await load_listed(&rows));
  } else {
    CO_RETURN_IF_ERROR(co_await load_live(&rows, &truncated));
  }
  if (!state_->ended()) emit_snapshot(std::move(rows), truncated);
  co_return absl::OkStatus();
}

// Pending before running: a job that starts between the two is then seen twice, not never.
base::Task<absl::Status> Subscription::load_live(std::vector<ports::JobRow>* rows, bool* truncated) {
  std::map<ports::JobId, ports::JobRow> found;
  for (const ports::JobStatus status : {ports::JobStatus::kPending, ports::JobStatus::kRunning}) {
    ports::JobListQuery query;
    query.user = owner_filter();
    query.status = status;
    query.limit = static_cast<int>(config_.snapshot_part);
    for (;;) {
      ASSIGN_OR_CO_RETURN(std::vector<ports::JobRow> part, co_await deps_.store.list(query));
      const bool last = part.size() < config_.snapshot_part;
      if (!part.empty()) query.before = part.back().id;
      for (ports::JobRow& row : part) {
        const ports::JobId id = row.id;
        found.insert_or_assign(id, std::move(row));
      }
      if (last) break;
      if (found.size() >= config_.snapshot_jobs) {
        *truncated = true;
        break;
      }
    }
  }
  for (auto& [id, row] : found) rows->push_back(std::move(row));
  co_return absl::OkStatus();
}

base::Task<absl::Status> Subscription::load_listed(std::vector<ports::JobRow>* rows) {
  for (const std::int64_t id : request_.jobs) {
    const ports::JobId job{id};
    auto row = co_await deps_.store.get(job);
    if (absl::IsNotFound(row.status()) || (row.ok() && !state_->wants(row->submitted_by, row->id))) {
      close(make_problem(code::kNotFound, absl::StrCat("there is no job ", id, " of yours"), "jobs"));
      co_return absl::OkStatus();
    }
    CO_RETURN_IF_ERROR(row.status());
    row->workflow.clear();
    row->parameters_json.clear();
    row->result_json.reset();
    rows->push_back(*std::move(row));
  }
  co_return absl::OkStatus();
}

void Subscription::emit_snapshot(std::vector<ports::JobRow> rows, bool truncated) {
  std::size_t begin = 0;
  do {
    const std::size_t end = std::min(begin + config_.snapshot_part, rows.size());
    std::vector<ports::JobRow> part;
    for (std::size_t i = begin; i < end; ++i) {
      if (const ports::Progress* fresh = deps_.progress.latest(rows[i].id)) {
        rows[i].progress_percent = std::max(rows[i].progress_percent, fresh->percent);
      }
      state_->told_row(rows[i]);
      part.push_back(std::move(rows[i]));
    }
    begin = end;
    out_.push_back(snapshot_message(std::move(part), position_, deps_.clock.wall(), begin < rows.size(), truncated));
  } while (begin < rows.size());
}

base::Task<absl::Status> Subscription::catch_up() {
  if (!deps_.events.ready()) co_return absl::UnavailableError("no dispatcher answers");
  if (!live_after_ && (near_ || deps_.events.cursor() - position_.id <= config_.batch)) {
    // From this moment on what comes after the hub's cursor waits in the queue; what lies before is read from the
    // database. No await between the two, so nothing falls through and nothing is in both.
    live_after_ = deps_.events.cursor();
    state_->go_live();
  }
  const std::int64_t upto = live_after_.value_or(deps_.events.cursor());
  if (position_.id >= upto) {
    caught_up_ = true;
    state_->caught_up();
    deps_.progress.attach(state_);
    co_return absl::OkStatus();
  }
  ports::EventQuery query;
  query.user = owner_filter();
  query.after = position_.id;
  query.upto = upto;
  query.limit = config_.batch;
  ASSIGN_OR_CO_RETURN(const std::vector<ports::JobEvent> events, co_await deps_.store.events(query));
  // After the read: retention raises the floor before it removes anything.
  ASSIGN_OR_CO_RETURN(const ports::ClusterMeta meta, co_await deps_.store.cluster());
  if (meta.epoch != position_.epoch || meta.events_floor > query.after) {
    close(expired("events after the position have been removed"));
    co_return absl::OkStatus();
  }
  for (const ports::JobEvent& event : events) {
    if (state_->wants(event.user_id, event.job_id) && state_->tell(event)) {
      out_.push_back(event_message(event, position_.epoch));
    }
  }
  const bool full = events.size() >= static_cast<std::size_t>(config_.batch);
  position_.id = full ? events.back().id : query.upto;
  near_ = !full;
  co_return absl::OkStatus();
}

std::optional<ports::UserId> Subscription::owner_filter() const {
  if (user_.role == ports::Role::kAdmin && request_.scope != SubscribeRequest::Scope::kOwn) return std::nullopt;
  return user_.id;
}

}  // namespace renderyard::gateway
