#include "services/dispatcher/dispatcher.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/error_code.h"
#include "libs/common/domain/placement.h"
#include "libs/common/domain/settlement.h"

namespace renderyard::dispatcher {

namespace {

using ports::Settlement;
using ports::Topic;

Settlement::Kind to_settlement(domain::SettleDecision::Kind kind) {
  switch (kind) {
    case domain::SettleDecision::Kind::kComplete:
      return Settlement::Kind::kComplete;
    case domain::SettleDecision::Kind::kFail:
      return Settlement::Kind::kFail;
    case domain::SettleDecision::Kind::kCancel:
      return Settlement::Kind::kCancel;
    case domain::SettleDecision::Kind::kRequeue:
      return Settlement::Kind::kRequeue;
    case domain::SettleDecision::Kind::kStart:
    case domain::SettleDecision::Kind::kNothing:
      break;
  }
  return Settlement::Kind::kStart;
}

std::optional<Settlement> decide(const ports::UnsettledExecution& news, int submission_attempts) {
  const ports::ExecutionRow& execution = news.execution;
  domain::ExecutionNews in;
  in.state = execution.state;
  if (execution.outcome_proof) in.outcome_proof = *execution.outcome_proof;
  if (execution.error) {
    in.error_code = execution.error->code;
    in.error_message = execution.error->message;
  }
  in.attempt = execution.attempt;
  in.earlier_not_accepted = news.earlier_not_accepted;
  in.most_not_accepted = submission_attempts;
  in.job_wants_cancel = news.job_wants_cancel;
  in.job_status = news.job_status;
  const domain::SettleDecision decision = domain::settle(in);
  if (decision.kind == domain::SettleDecision::Kind::kNothing) return std::nullopt;
  Settlement settlement;
  settlement.execution_id = execution.id;
  settlement.job_id = execution.job_id;
  settlement.kind = to_settlement(decision.kind);
  if (execution.error) settlement.error = *execution.error;
  settlement.error.code = decision.error_code;
  settlement.error.message = decision.error_message;
  settlement.reason = decision.reason;
  settlement.not_before = decision.not_before;
  return settlement;
}

}  // namespace

Dispatcher::Dispatcher(Deps deps, Config config)
    : deps_(deps),
      config_(std::move(config)),
      jobs_(deps.strand, deps.clock),
      executions_(deps.strand, deps.clock),
      wishes_(deps.strand, deps.clock),
      group_(deps.strand),
      tailer_({deps.strand, deps.clock, deps.journal, deps.log}, {}) {}

base::Task<absl::Status> Dispatcher::run() {
  deps_.hints.listen(Topic::kJobs, [this] {
    jobs_.notify();
    wishes_.notify();
  });
  deps_.hints.listen(Topic::kExecutions, [this] { executions_.notify(); });
  deps_.hints.listen(Topic::kInstances, [this] { jobs_.notify(); });
  deps_.hints.listen(Topic::kEvents, [this] { tailer_.wake(); });
  group_.spawn(claim_loop());
  group_.spawn(settle_loop());
  group_.spawn(withdraw_loop());
  group_.spawn(tailer_.run());
  const absl::Status status = co_await group_.join();
  for (const Topic topic : {Topic::kJobs, Topic::kExecutions, Topic::kInstances, Topic::kEvents}) {
    deps_.hints.listen(topic, nullptr);
  }
  if (absl::IsCancelled(status)) co_return absl::OkStatus();
  co_return status;
}

void Dispatcher::stop() {
  group_.cancel();
}

base::StreamPtr<ports::EventBatch> Dispatcher::watch_events(std::string epoch, std::optional<std::int64_t> after) {
  return tailer_.watch(std::move(epoch), after);
}

base::Task<absl::Status> Dispatcher::claim_loop() {
  for (;;) {
    auto more = co_await claim_once();
    if (absl::IsCancelled(more.status())) co_return more.status();
    note("claim", more.status());
    if (more.ok() && *more) continue;
    CO_RETURN_IF_ERROR(co_await rest(jobs_, !more.ok()));
  }
}

// True when something was claimed, so that looking again at once may find more.
base::Task<absl::StatusOr<bool>> Dispatcher::claim_once() {
  ASSIGN_OR_CO_RETURN(const ports::Fleet fleet, co_await deps_.store.fleet());
  // One more than there is room for: it tells whether something waits.
  const int room = static_cast<int>(std::min<std::size_t>(fleet.free_slots.size(), config_.batch));
  ASSIGN_OR_CO_RETURN(const std::vector<ports::Candidate> candidates, co_await deps_.store.candidates(room + 1));
  std::vector<base::JobId> jobs;
  jobs.reserve(candidates.size());
  for (const auto& candidate : candidates) jobs.push_back(candidate.job_id);
  std::vector<domain::SlotChoice> slots;
  slots.reserve(fleet.free_slots.size());
  for (const auto& slot : fleet.free_slots) slots.push_back({slot.instance_id, slot.slot_no});
  std::vector<ports::Assignment> wanted;
  for (const domain::Placement& placement : domain::place(jobs, std::move(slots))) {
    ports::Assignment assignment;
    assignment.job_id = placement.job_id;
    assignment.instance_id = placement.slot.instance_id;
    assignment.slot_no = placement.slot.slot_no;
    assignment.client_prompt_id = deps_.random.uuid4();
    wanted.push_back(std::move(assignment));
  }
  bool claimed_some = false;
  if (!wanted.empty()) {
    ASSIGN_OR_CO_RETURN(const std::vector<ports::ClaimedExecution> claimed,
                        co_await deps_.store.claim(std::move(wanted), config_.id));
    claimed_some = !claimed.empty();
    for (const ports::ClaimedExecution& execution : claimed) {
      deps_.journal.info("execution_assigned", {{base::key::kJob, execution.job_id},
                                                {base::key::kExecution, execution.execution_id},
                                                {base::key::kInstance, execution.instance_id}});
      group_.spawn_isolated(wake_bridge(execution));
    }
    if (claimed_some) deps_.hints.send(Topic::kEvents);
  }
  // Wishes on jobs that nobody has claimed; here, so that a wish and a claim of one job are looked at in one place.
  ASSIGN_OR_CO_RETURN(const int cancelled, co_await deps_.store.cancel_wished(config_.batch));
  // Limits of waiting count in the database, and what it says has passed is never claimed any more.
  ports::JobError waited;
  waited.code = domain::code::kLimitWait;
  waited.message = "the job waited for as long as parameters.limits.wait_secs allows; nothing was sent to an instance";
  ASSIGN_OR_CO_RETURN(const int failed, co_await deps_.store.fail_waited(std::move(waited), config_.batch));
  if (failed > 0) deps_.journal.info("jobs_waited_too_long", {{"count", failed}});
  if (cancelled > 0 || failed > 0) deps_.hints.send(Topic::kEvents);
  const bool jobs_wait = candidates.size() > static_cast<std::size_t>(room);
  CO_RETURN_IF_ERROR(co_await tell_waiting_reason(fleet, jobs_wait));
  co_return claimed_some;
}

base::Task<absl::Status> Dispatcher::wake_bridge(ports::ClaimedExecution claimed) {
  if (claimed.bridge_address.empty()) co_return absl::OkStatus();  // the bridge looks by itself
  const absl::Time deadline = deps_.clock.now() + config_.wake_deadline;
  const absl::Status status = co_await deps_.bridges.submit_execution(claimed.bridge_address, claimed.execution_id,
                                                                      claimed.instance_id, deadline);
  if (!status.ok()) {
    deps_.journal.debug("wake_up_lost",
                        {{base::key::kExecution, claimed.execution_id}, {base::key::kReason, status.ToString()}});
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> Dispatcher::tell_waiting_reason(const ports::Fleet& fleet, bool jobs_wait) {
  std::string reason;
  if (jobs_wait) {
    reason = domain::waiting_reason(fleet.instances_enabled, fleet.instances_usable, fleet.free_slots.size());
    if (reason.empty()) reason = "next_in_line: slots are being filled";
  }
  if (waiting_reason_known_ && reason == waiting_reason_) co_return absl::OkStatus();
  CO_RETURN_IF_ERROR(co_await deps_.store.set_waiting_reason(reason));
  waiting_reason_ = reason;
  waiting_reason_known_ = true;
  co_return absl::OkStatus();
}

base::Task<absl::Status> Dispatcher::settle_loop() {
  for (;;) {
    auto more = co_await settle_once();
    if (absl::IsCancelled(more.status())) co_return more.status();
    note("settle", more.status());
    if (more.ok() && *more) continue;
    CO_RETURN_IF_ERROR(co_await rest(executions_, !more.ok()));
  }
}

base::Task<absl::StatusOr<bool>> Dispatcher::settle_once() {
  ASSIGN_OR_CO_RETURN(const std::vector<ports::UnsettledExecution> news,
                      co_await deps_.store.unsettled(absl::ZeroDuration(), config_.batch));
  // A hint here also means that slots may have become free.
  jobs_.notify();
  std::vector<Settlement> settlements;
  for (const ports::UnsettledExecution& item : news) {
    if (auto settlement = decide(item, config_.submission_attempts)) settlements.push_back(*std::move(settlement));
  }
  if (settlements.empty()) co_return false;
  auto applied = co_await deps_.store.settle(settlements);
  if (absl::IsInvalidArgument(applied.status())) {
    // The database refuses a text in one of them: settle them one by one, and the refused one without its text.
    bool any = false;
    for (Settlement& settlement : settlements) {
      std::vector<Settlement> one;
      one.push_back(settlement);
      auto single = co_await deps_.store.settle(one);
      if (absl::IsInvalidArgument(single.status())) {
        one.front().kind = Settlement::Kind::kFail;
        one.front().error = {
            std::string(domain::code::kResultUnstorable), "the result cannot be stored by the database", {}, {}};
        single = co_await deps_.store.settle(one);
      }
      if (!single.ok()) co_return single.status();
      any = any || !single->empty();
    }
    deps_.hints.send(Topic::kEvents);
    co_return any;
  }
  if (!applied.ok()) co_return applied.status();
  if (applied->empty()) co_return false;  // others were first
  deps_.journal.info("jobs_settled", {{"count", applied->size()}});
  deps_.hints.send(Topic::kEvents);
  jobs_.notify();
  co_return true;
}

base::Task<absl::Status> Dispatcher::withdraw_loop() {
  for (;;) {
    auto done = co_await withdraw_once();
    if (absl::IsCancelled(done.status())) co_return done.status();
    note("withdraw", done.status());
    CO_RETURN_IF_ERROR(co_await rest(wishes_, !done.ok()));
  }
}

base::Task<absl::StatusOr<bool>> Dispatcher::withdraw_once() {
  ASSIGN_OR_CO_RETURN(const std::vector<ports::StaleAssignment> stale,
                      co_await deps_.store.stale_assigned(config_.withdraw_after, config_.batch));
  bool any = false;
  for (const ports::StaleAssignment& assignment : stale) {
    ASSIGN_OR_CO_RETURN(const bool moved, co_await deps_.store.withdraw(assignment.execution_id, "not_started"));
    if (!moved) continue;  // a bridge was first
    any = true;
    deps_.journal.info("execution_withdrawn",
                       {{base::key::kJob, assignment.job_id}, {base::key::kExecution, assignment.execution_id}});
  }
  if (any) {
    deps_.hints.send(Topic::kEvents);
    jobs_.notify();
  }
  co_return any;
}

base::Task<absl::Status> Dispatcher::rest(base::Event& event, bool failed) {
  if (failed) {
    // Not at once again: the database is away, and others wait for it too.
    co_return co_await deps_.clock.sleep_for(config_.poll / 2 + deps_.random.jitter(config_.poll));
  }
  const absl::Time deadline = deps_.clock.now() + config_.poll;
  const absl::Status status = co_await event.wait_until(deadline);
  if (absl::IsDeadlineExceeded(status)) co_return absl::OkStatus();
  co_return status;
}

void Dispatcher::note(std::string_view loop, const absl::Status& status) {
  bool& failing = failing_[std::string(loop)];
  if (failing == !status.ok()) return;
  failing = !status.ok();
  const bool away =
      std::any_of(failing_.begin(), failing_.end(), [](const auto& loop_state) { return loop_state.second; });
  if (std::exchange(store_away_, away) != away && deps_.on_store) deps_.on_store(!away);
  if (failing) {
    deps_.journal.warning("store_away", {{"loop", loop}, {base::key::kReason, status.ToString()}});
  } else {
    deps_.journal.info("store_back", {{"loop", loop}});
  }
}

}  // namespace renderyard::dispatcher
