#include "services/bridge/following.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/error_code.h"
#include "services/bridge/limit_watch.h"
#include "services/bridge/picture_keeper.h"
#include "services/bridge/progress_teller.h"
#include "services/bridge/telling.h"

namespace renderyard::bridge {

namespace {

using domain::ExecutionState;
using domain::HistoryEnd;

class Follower {
 public:
  explicit Follower(ExecutionContext context)
      : context_(std::move(context)),
        execution_(*context_.execution),
        keeper_(context_),
        progress_(context_),
        clock_(context_.deps.clock),
        config_(context_.config),
        interval_(config_.watchdog_first),
        last_look_(clock_.now()) {
    // Somebody else posted it, and it may have ended long ago: nothing will be heard of that.
    if (execution_.posted_at == absl::InfiniteFuture()) look_soon_ = clock_.now();
  }

  base::Task<absl::Status> run() {
    while (!execution_.given_up()) {
      CO_RETURN_IF_ERROR(co_await keeper_.keep());
      ASSIGN_OR_CO_RETURN(bool done, co_await hear_end());
      if (done) co_return absl::OkStatus();
      ASSIGN_OR_CO_RETURN(done, co_await hear_start());
      if (done) co_return absl::OkStatus();
      progress_.tell();
      // A prompt that is over has kept its limits, however long its outputs are asked for.
      if (!is_over() && clock_.now() >= limits_.look_at()) CO_RETURN_IF_ERROR(co_await limits_.look());
      CO_RETURN_IF_ERROR(co_await wish());
      suspect_deaf();
      const bool overdue = limits_.overdue() && !is_over();
      if (overdue) look_soon_ = std::min(look_soon_, last_look_ + config_.vanished_gap);
      if (clock_.now() >= look_due()) {
        ASSIGN_OR_CO_RETURN(done, co_await look_at_server());
        if (done) co_return absl::OkStatus();
        // It has not stopped, or nobody can say. What is absent a first time is looked at once more.
        if (overdue && absences_ == 0) co_return co_await give_up();
      }
      execution_.progress_wakes = progress_.wakes();
      const absl::Status rested = co_await execution_.changed().wait_until(next_wake());
      if (absl::IsCancelled(rested)) co_return rested;
    }
    co_return absl::OkStatus();
  }

  // The step to collecting, once run() has ended: the prompt succeeded.
  std::optional<ports::Advance> succeeded() { return std::move(succeeded_); }

 private:
  // The socket said that it is over: what does history say? True when the end is written, or to be collected.
  base::Task<absl::StatusOr<bool>> hear_end() {
    const bool over = execution_.heard().over();
    if (!is_over()) co_return false;
    // On `executing` null the entry is there: ask at once. After execution_success alone it may lag, so the null is
    // given a moment to come.
    if (over && !asked_after_null_) {
      asked_after_null_ = true;
    } else if (clock_.now() < ask_history_at_) {
      co_return false;
    } else if (!over && !waited_for_null_) {
      waited_for_null_ = true;
      ask_history_at_ = clock_.now() + absl::Milliseconds(100);
      co_return false;
    }
    const absl::Time deadline = clock_.now() + config_.request_deadline;
    auto entry = co_await context_.comfy.history(execution_.prompt_id(), deadline);
    if (absl::IsCancelled(entry.status())) co_return entry.status();
    if (entry.ok() && entry->has_value()) co_return co_await ended(**std::move(entry), kFromHistory);
    ++history_misses_;
    // Larger than anybody reads, or no JSON: asking again will not mend it.
    if (absl::IsInvalidArgument(entry.status()) && ++history_unreadable_ >= 3) co_return co_await unreadable();
    // Once may be the lag of a healthy server; after that it may be for long, and this process may not see its end.
    if (!entry.ok() || history_misses_ >= 2) CO_RETURN_IF_ERROR(co_await keep_what_was_heard());
    // Late, or wiped by somebody, or gone with the server: the queue tells.
    if (entry.ok() && history_misses_ % 5 == 0) look_soon_ = clock_.now();
    const absl::Duration pause =
        std::min(absl::Milliseconds(50) * (1 << std::min(history_misses_, 6)), absl::Seconds(2));
    ask_history_at_ = clock_.now() + pause;
    co_return false;
  }

  base::Task<absl::StatusOr<bool>> hear_start() {
    if (!execution_.started() || execution_.row.state != ExecutionState::kQueued) co_return false;
    // A short prompt may be over already: one step less to write.
    if (is_over()) co_return false;
    ports::Advance step;
    step.to = ExecutionState::kRunning;
    step.started = true;
    ASSIGN_OR_CO_RETURN(const bool moved, co_await persist(context_, std::move(step)));
    co_return !moved;
  }

  // The socket said so.
  bool is_over() const { return execution_.heard().over() || execution_.heard().end().has_value(); }
  bool to_be_stopped() const { return !is_over() && (execution_.cancel_wished() || limits_.passed()); }

  // The prompt has had its time to stop: the job ends here, and the instance gets no new work while it is there.
  base::Task<absl::Status> give_up() {
    progress_.tell_last();
    ports::Advance step;
    step.to = ExecutionState::kFailed;
    step.error = limits_.error();
    step.started = true;
    step.quarantine = domain::Quarantine::kWorkerDead;
    ASSIGN_OR_CO_RETURN([[maybe_unused]] const bool moved, co_await persist(context_, std::move(step)));
    co_return absl::OkStatus();
  }

  // Asks the server to stop the prompt; what came of it is seen like any other end.
  base::Task<absl::Status> wish() {
    if (!to_be_stopped() || clock_.now() < next_cancel_) co_return absl::OkStatus();
    next_cancel_ = clock_.now() + absl::Seconds(5);
    auto abilities = context_.connection.abilities();
    if (!abilities) co_return absl::OkStatus();
    abilities->shared = context_.instance.shared_instance;
    const absl::Time deadline = clock_.now() + config_.request_deadline;
    const absl::Status asked = co_await context_.comfy.cancel(execution_.prompt_id(), *std::move(abilities), deadline);
    if (absl::IsCancelled(asked)) co_return asked;
    context_.deps.journal.info("cancel_asked", {{base::key::kExecution, execution_.row.id},
                                                {base::key::kPrompt, execution_.prompt_id()},
                                                {base::key::kReason, asked.ToString()}});
    if (!asked.ok()) co_return absl::OkStatus();
    look_soon_ = clock_.now() + absl::Milliseconds(200);
    // A node that does not look, or a worker that is dead: nobody can tell them apart. Whatever waits for this instance
    // had better go elsewhere. The job goes on until its prompt is gone, or an operator gives it up.
    asked_at_ = std::min(asked_at_, clock_.now());
    if (execution_.cancel_wished() && clock_.now() >= asked_at_ + config_.stop_grace) {
      tell_held_up(context_, "it does not stop at its instance, which was asked to stop it again and again");
      context_.quarantine.does_not_stop(execution_.row.id);
    }
    co_return absl::OkStatus();
  }

  // A `status` must follow our own POST to everybody who listens.
  void suspect_deaf() {
    if (deaf_checked_ || execution_.answered_at == absl::InfiniteFuture()) return;
    const Connection& connection = context_.connection;
    if (!connection.connected()) return;
    // One that was opened since may have missed it, and what every server says first is no answer to a POST.
    const bool opened_since = connection.opened_at() > execution_.posted_at;
    if (connection.last_message_at() >= execution_.posted_at && (!opened_since || connection.has_spoken())) {
      deaf_checked_ = true;
      context_.connection.not_deaf();
    } else if (clock_.now() >= execution_.answered_at + config_.status_after_post) {
      deaf_checked_ = true;
      if (opened_since) return;
      context_.connection.suspect_deaf();
      look_soon_ = clock_.now();
    }
  }

  absl::Time look_due() const {
    const absl::Time last = std::max(last_look_, execution_.last_heard_at());
    absl::Duration wait = interval_;
    if (!listening()) {
      wait = std::min(wait, poll_interval_);
    } else if (!spoken_to()) {
      wait = std::min(wait, config_.watchdog_unproven);
    }
    return std::min(last + wait, look_soon_);
  }

  // The socket that the prompt's events go to.
  const Connection* socket() const { return context_.sockets.open(execution_.row.client_id.value_or("")); }
  bool listening() const { return socket() != nullptr && !socket()->blocked(); }
  // A socket opened under an earlier client id may be deaf: only what it says shows that it is not.
  bool spoken_to() const { return socket() == &context_.connection || socket()->has_spoken(); }

  absl::Time next_wake() const {
    absl::Time wake = std::min(look_due(), keeper_.due());
    if (is_over()) wake = std::min(wake, ask_history_at_);
    wake = std::min(wake, progress_.due());
    if (to_be_stopped()) wake = std::min(wake, next_cancel_);
    if (!is_over()) wake = std::min(wake, limits_.look_at());
    if (!deaf_checked_ && execution_.answered_at != absl::InfiniteFuture() && context_.connection.connected()) {
      wake = std::min(wake, execution_.answered_at + config_.status_after_post);
    }
    // Never in the past, and never a busy loop when a step above could not act.
    return std::max(wake, clock_.now() + absl::Milliseconds(5));
  }

  base::Task<absl::StatusOr<bool>> look_at_server() {
    tell_way();
    remember(context_);  // also of a prompt that says nothing for hours
    look_soon_ = absl::InfiniteFuture();
    auto seen = co_await look(context_);
    if (absl::IsCancelled(seen.status())) co_return seen.status();
    last_look_ = clock_.now();
    if (!seen.ok()) {
      if (limits_.passed()) absences_ = 0;
      poll_interval_ = std::min(poll_interval_ * 2, absl::Seconds(30));
      co_return false;
    }
    poll_interval_ = config_.poll_without_socket;
    interval_ = std::min(interval_ * 2, config_.watchdog_last);
    switch (seen->where) {
      case Look::Where::kEnded: {
        if (pictures_may_be_under_way(seen->entry->end)) {
          look_soon_ = clock_.now() + absl::Milliseconds(500);
          co_return false;
        }
        if (!is_over() && socket() == &context_.connection) {
          // History knows an end of which an open socket said nothing.
          context_.connection.suspect_deaf();
        }
        co_return co_await ended(*std::move(seen->entry), kFromHistory);
      }
      case Look::Where::kRunning:
        absences_ = 0;
        execution_.saw_started();
        co_return co_await hear_start();
      case Look::Where::kPending:
        absences_ = 0;
        co_return false;
      case Look::Where::kAbsent:
        break;
    }
    co_return co_await absent();
  }

  // A look for want of a socket, and not because one says nothing?
  void tell_way() {
    context_.deps.observer.polled();
    if (listening()) {
      fell_back_ = false;
    } else if (!fell_back_ && clock_.now() >= std::max(last_look_, execution_.last_heard_at()) + poll_interval_) {
      fell_back_ = true;
      tell_fallback(context_, context_.connection.trouble());
    }
  }

  // The history may be ahead of a socket with much to carry: then its pictures are waited for, while it speaks.
  bool pictures_may_be_under_way(HistoryEnd end) {
    if (end != HistoryEnd::kSuccess || execution_.heard().over() || !execution_.pictures.incomplete()) return false;
    seen_ended_at_ = std::min(seen_ended_at_, clock_.now());
    return clock_.now() < std::max(seen_ended_at_, execution_.last_heard_at()) + config_.pictures_patience;
  }

  // Neither queued nor in history: a known end counts as far as it was heard; without one, twice, with a pause between,
  // is gone.
  base::Task<absl::StatusOr<bool>> absent() {
    switch (domain::without_history(execution_.heard())) {
      case domain::WithoutHistory::kAsHeard:
        co_return co_await ended(entry_from_heard(), kFromEvents);
      case domain::WithoutHistory::kOutputsMissing:
        co_return co_await outputs_missing(
            "the prompt succeeded, but the instance's history of it was cleared before it could be read, and not every "
            "output was heard on the socket");
      case domain::WithoutHistory::kUnknown:
        break;
    }
    if (++absences_ < 2) {
      look_soon_ = clock_.now() + config_.vanished_gap;
      co_return false;
    }
    ports::Advance step;
    step.started = execution_.started();
    if (execution_.cancel_wished()) {
      // A deleted pending prompt leaves no trace: this is what it looks like. An earlier process may have asked for it.
      step.to = ExecutionState::kCancelled;
    } else if (limits_.passed()) {
      step.to = ExecutionState::kFailed;
      step.error = limits_.error();
    } else {
      step.to = ExecutionState::kLost;
      step.error =
          ports::JobError{std::string(domain::code::kExecutionLost),
                          "the instance no longer knows the prompt it had accepted (restarted, or its queue and "
                          "history were cleared)",
                          {},
                          {}};
    }
    ASSIGN_OR_CO_RETURN([[maybe_unused]] const bool moved, co_await persist(context_, std::move(step)));
    co_return true;
  }

  // The history cannot be read: what was heard stands, if it is enough.
  base::Task<absl::StatusOr<bool>> unreadable() {
    if (domain::without_history(execution_.heard()) == domain::WithoutHistory::kAsHeard) {
      co_return co_await ended(entry_from_heard(), kFromEvents);
    }
    co_return co_await outputs_missing("the prompt is over, but what the instance's history says of it cannot be read");
  }

  base::Task<absl::Status> keep_what_was_heard() {
    const domain::HeardPrompt& heard = execution_.heard();
    if (kept_ || !heard.end()) co_return absl::OkStatus();
    ports::HeardWrite write;
    write.end = std::string(domain::to_string(*heard.end()));
    write.outputs = heard.outputs_json();
    write.error = error_heard();
    write.whole = heard.whole();
    write.prompt_ended_at = heard.ended_at();
    const absl::Status status =
        co_await context_.deps.executions.record_heard(execution_.row.id, context_.lease.epoch, std::move(write));
    if (absl::IsCancelled(status)) co_return status;
    kept_ = status.ok();
    co_return absl::OkStatus();
  }

  base::Task<absl::StatusOr<bool>> outputs_missing(std::string why) {
    ports::Advance step = failed_with(domain::code::kOutputMissing, std::move(why));
    step.started = true;
    if (execution_.heard().end()) step.heard_end = std::string(domain::to_string(*execution_.heard().end()));
    step.heard_outputs = execution_.heard().outputs_json();
    ASSIGN_OR_CO_RETURN([[maybe_unused]] const bool moved, co_await persist(context_, std::move(step)));
    co_return true;
  }

  base::Task<absl::StatusOr<bool>> pictures_missing(std::string node) {
    const std::string node_class = execution_.workflow.nodes.at(node).class_type;
    ports::Advance step = failed_with(domain::code::kOutputMissing,
                                      "the pictures of node " + node + " (" + node_class +
                                          ") come over the instance's WebSocket alone, and it was not heard from the "
                                          "node's start to its end: the connection or the bridge was away meanwhile",
                                      node, node_class);
    step.started = true;
    step.heard_end = std::string(domain::to_string(HistoryEnd::kSuccess));
    ASSIGN_OR_CO_RETURN([[maybe_unused]] const bool moved, co_await persist(context_, std::move(step)));
    co_return true;
  }

  static ports::JobError error_of(const domain::ExecutionError& error) {
    const domain::Blame blame = domain::blame_of(error.exception_type, error.message);
    return {std::string(domain::code_of(blame)), error.message.empty() ? "the prompt failed" : error.message,
            error.node_id, error.node_type};
  }

  std::optional<ports::JobError> error_heard() const {
    const auto& error = execution_.heard().error();
    return error ? std::optional(error_of(*error)) : std::nullopt;
  }

  domain::HistoryEntry entry_from_heard() const {
    const domain::HeardPrompt& heard = execution_.heard();
    domain::HistoryEntry entry;
    entry.end = heard.end().value_or(HistoryEnd::kError);
    entry.error = heard.error();
    entry.outputs_json = heard.outputs_json();
    entry.ended_at = heard.ended_at();
    return entry;
  }

  // When it cannot be written now, the next success does.
  base::Task<absl::Status> close_circuit() {
    if (!context_.circuit.counts()) co_return absl::OkStatus();
    const auto closed = co_await context_.deps.executions.close_circuit(
        execution_.row.instance_id, context_.lease.epoch, context_.circuit.version());
    if (absl::IsCancelled(closed.status())) co_return closed.status();
    if (closed.ok() && *closed) context_.circuit.closed();
    co_return absl::OkStatus();
  }

  base::Task<absl::StatusOr<bool>> ended(domain::HistoryEntry entry, std::string outputs_from) {
    progress_.tell_last();
    ports::Advance step;
    step.started = true;
    switch (entry.end) {
      case HistoryEnd::kSuccess:
        if (const auto node = execution_.pictures.incomplete()) co_return co_await pictures_missing(*node);
        CO_RETURN_IF_ERROR(co_await keeper_.keep_all());
        step.to = ExecutionState::kCollecting;
        step.heard_end = std::string(domain::to_string(HistoryEnd::kSuccess));
        step.heard_outputs = keeper_.outputs_with(entry.outputs_json);
        step.prompt_ended_at = entry.ended_at;
        step.heard_whole = outputs_from == kFromEvents;
        CO_RETURN_IF_ERROR(co_await close_circuit());
        execution_.outputs_from = std::move(outputs_from);
        succeeded_ = std::move(step);
        co_return true;
      case HistoryEnd::kError: {
        step.to = ExecutionState::kFailed;
        const domain::ExecutionError error = entry.error.value_or(domain::ExecutionError{});
        step.error = error_of(error);
        context_.circuit.failed(domain::blame_of(error.exception_type, error.message), error.message,
                                execution_.row.job_id, execution_.database_time(clock_.now()), step);
        break;
      }
      case HistoryEnd::kInterrupted:
        if (execution_.cancel_wished()) {
          step.to = ExecutionState::kCancelled;
        } else if (limits_.passed()) {
          step.to = ExecutionState::kFailed;
          step.error = limits_.error();
        } else {
          step = failed_with(domain::code::kInterruptedByOther, "somebody else interrupted the prompt at the instance");
          step.started = true;
        }
        break;
    }
    ASSIGN_OR_CO_RETURN([[maybe_unused]] const bool moved, co_await persist(context_, std::move(step)));
    co_return true;
  }

  ExecutionContext context_;
  Execution& execution_;
  PictureKeeper keeper_;
  ProgressTeller progress_;
  base::Clock& clock_;
  const Config& config_;
  LimitWatch limits_{context_};

  absl::Duration interval_;
  absl::Duration poll_interval_ = config_.poll_without_socket;
  absl::Time last_look_;
  absl::Time look_soon_ = absl::InfiniteFuture();
  absl::Time seen_ended_at_ = absl::InfiniteFuture();
  absl::Time ask_history_at_ = absl::InfinitePast();
  absl::Time next_cancel_ = absl::InfinitePast();
  absl::Time asked_at_ = absl::InfiniteFuture();  // first, to stop
  bool waited_for_null_ = false;
  bool asked_after_null_ = false;
  bool fell_back_ = false;
  bool deaf_checked_ = false;
  bool kept_ = false;
  std::optional<ports::Advance> succeeded_;
  int history_misses_ = 0;
  int history_unreadable_ = 0;
  int absences_ = 0;
};

}  // namespace

base::Task<absl::StatusOr<std::optional<ports::Advance>>> follow(ExecutionContext context) {
  Follower follower(std::move(context));
  CO_RETURN_IF_ERROR(co_await follower.run());
  co_return follower.succeeded();
}

}  // namespace renderyard::bridge
