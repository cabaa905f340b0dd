#include "services/bridge/submission.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>
#include <vector>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/domain/backoff.h"
#include "libs/common/domain/common_names.h"
#include "libs/common/domain/error_code.h"
#include "libs/common/domain/submission.h"
#include "libs/common/domain/workflow.h"

namespace renderyard::bridge {

namespace {

using domain::ExecutionState;
using domain::PostVerdict;

// The bodies a job's parameters may carry for ComfyUI.
std::string extra_data_of(const std::string& parameters_json);

bool in_doubt(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status) ||
         absl::IsAborted(status);
}

// OK: no prompt that is at the server, or about to be, may write over this one's files, nor this one over its. The turn
// is taken when it is free, else only if this workflow needs it.
base::Task<absl::Status> wait_for_names(ExecutionContext& context) {
  NameTurns& turns = context.name_turns;
  if (!turns.free()) {
    auto loaded = co_await context.deps.executions.load(context.execution->row.id);
    CO_RETURN_IF_ERROR(loaded.status());
    auto classes = domain::classes_of_common_names(loaded->workflow, context.instance.unique_prefix);
    const absl::Time patience = context.deps.clock.now() + context.config.turn_patience;
    ASSIGN_OR_CO_RETURN(const bool ours, co_await turns.wait(std::move(classes), patience));
    if (!ours) co_return absl::OkStatus();
  }
  context.execution->name_turn.emplace(turns);
  co_return absl::OkStatus();
}

// assigned -> submitting, however long the database is away. nullopt: not ours to send.
base::Task<absl::StatusOr<std::optional<ports::StartedExecution>>> start(ExecutionContext& context) {
  const Execution& execution = *context.execution;
  ports::ExecutionStore& store = context.deps.executions;
  bool asked_before = false;
  for (int attempt = 1;; ++attempt) {
    auto started = co_await store.start(execution.row.id, context.lease.instance_id, context.lease.epoch,
                                        context.connection.client_id());
    if (started.ok() && (started->has_value() || !asked_before)) co_return started;
    if (!started.ok() && !in_doubt(started.status())) co_return started.status();
    if (started.ok()) {
      // An earlier attempt may have committed: then the row is in submitting with our epoch, which only this process
      // has, and nothing was sent yet.
      auto row = co_await store.read(execution.row.id);
      if (row.ok()) {
        const bool ours = row->state == ExecutionState::kSubmitting && row->owner_epoch == context.lease.epoch;
        if (!ours) co_return std::optional<ports::StartedExecution>();
        auto loaded = co_await store.load(execution.row.id);
        if (loaded.ok()) co_return std::optional<ports::StartedExecution>(*std::move(loaded));
        if (absl::IsCancelled(loaded.status())) co_return loaded.status();
      } else if (absl::IsCancelled(row.status())) {
        co_return row.status();
      }
    }
    asked_before = true;
    const absl::Duration pause = domain::retry_pause(attempt, context.deps.random);
    CO_RETURN_IF_ERROR(co_await context.deps.clock.sleep_for(pause));
  }
}

// What the socket says of unknown prompts is kept, see Router.
class OpenPost {
 public:
  OpenPost(Router& router, Execution& execution) : router_(router), execution_(execution) {
    router_.post_begins(execution_);
  }
  ~OpenPost() { router_.post_ends(execution_); }
  OpenPost(const OpenPost&) = delete;
  OpenPost& operator=(const OpenPost&) = delete;

 private:
  Router& router_;
  Execution& execution_;
};

class Posting {
 public:
  explicit Posting(Execution& execution) : execution_(execution) { execution_.posting = true; }
  ~Posting() { execution_.posting = false; }
  Posting(const Posting&) = delete;
  Posting& operator=(const Posting&) = delete;

 private:
  Execution& execution_;
};

base::Task<absl::StatusOr<Next>> not_accepted(ExecutionContext& context, std::string proof) {
  ports::Advance step;
  step.to = ExecutionState::kNotAccepted;
  step.outcome_proof = std::move(proof);
  ASSIGN_OR_CO_RETURN([[maybe_unused]] const bool moved, co_await persist(context, std::move(step)));
  co_return Next::kStop;
}

base::Task<absl::StatusOr<Next>> refused(ExecutionContext& context, const PostVerdict& verdict) {
  std::string message = verdict.message;
  std::string node_id;
  std::string node_class;
  if (!verdict.faults.empty()) {
    const domain::NodeFault& fault = verdict.faults.front();
    node_id = fault.node_id;
    node_class = fault.node_class;
    if (!fault.message.empty()) message += (message.empty() ? "" : ": ") + fault.message;
  }
  ports::Advance step = failed_with(domain::code::kValidationFailed, message, node_id, node_class);
  step.outcome_proof = verdict.proof;
  ASSIGN_OR_CO_RETURN([[maybe_unused]] const bool moved, co_await persist(context, std::move(step)));
  co_return Next::kStop;
}

// The prompt is at the server: say so in the state it is known to be in by now.
base::Task<absl::StatusOr<Next>> accepted(ExecutionContext& context, std::string prompt_id, std::string proof,
                                          std::vector<domain::NodeFault> left_out) {
  Execution& execution = *context.execution;
  if (prompt_id != execution.prompt_id()) {
    execution.row.comfyui_prompt_id = prompt_id;
    context.router.add(prompt_id, context.execution);
  }
  // An instance that was free starts it at once: then one state is written and not two.
  const absl::Time patience = context.deps.clock.now() + context.config.start_patience;
  while (!execution.started() && context.deps.clock.now() < patience) {
    const absl::Status rested = co_await execution.changed().wait_until(patience);
    if (absl::IsCancelled(rested)) co_return rested;
  }
  ports::Advance step;
  step.to = execution.started() ? ExecutionState::kRunning : ExecutionState::kQueued;
  step.started = execution.started();
  step.comfyui_prompt_id = std::move(prompt_id);
  step.outcome_proof = std::move(proof);
  if (!left_out.empty()) step.warnings_json = domain::loss_json(left_out);
  ASSIGN_OR_CO_RETURN(const bool moved, co_await persist(context, std::move(step)));
  co_return moved ? Next::kFollow : Next::kStop;
}

// The same server life from before the POST until now, shown and not assumed.
base::Task<absl::StatusOr<bool>> same_server_life(ExecutionContext& context, const UnclearPost& post) {
  const absl::Time deadline = context.deps.clock.now() + context.config.ping_deadline;
  if (post.own && post.socket_before != 0 && post.socket_before == context.connection.generation()) {
    const absl::Status pong = co_await context.connection.alive(deadline);
    if (absl::IsCancelled(pong)) co_return pong;
    if (pong.ok() && post.socket_before == context.connection.generation()) co_return true;
  }
  if (post.witness_before.empty()) co_return false;
  auto witness = co_await context.comfy.history(post.witness_before, deadline);
  if (absl::IsCancelled(witness.status())) co_return witness.status();
  co_return witness.ok() && witness->has_value();
}

// The server may have given our prompt an id of its own, and have spoken of it under that.
bool may_have_chosen(const ExecutionContext& context) {
  const auto& abilities = context.connection.abilities();
  return (!abilities || !abilities->own_prompt_ids) && context.router.heard_unknown();
}

}  // namespace

base::Task<absl::StatusOr<Next>> submit(ExecutionContext context) {
  Execution& execution = *context.execution;
  const absl::Status names = co_await wait_for_names(context);
  if (absl::IsCancelled(names)) co_return names;
  if (!names.ok()) co_return Next::kStop;  // still assigned: found again, or taken back
  // A server that chooses the ids itself: of two POSTs whose answers are lost nobody could tell which prompt is whose.
  const auto& abilities = context.connection.abilities();
  std::optional<base::Turns::Turn> alone;
  if (!abilities || !abilities->own_prompt_ids) {
    const absl::Time patience = context.deps.clock.now() + context.config.turn_patience;
    const absl::Status turn = co_await context.lone_posts.wait(patience);
    if (absl::IsDeadlineExceeded(turn)) co_return Next::kStop;  // still assigned: found again, or taken back
    if (!turn.ok()) co_return turn;
    alone.emplace(context.lone_posts);
  }
  // From the intent on: who stops waits for it.
  const Posting posting(execution);
  ASSIGN_OR_CO_RETURN(std::optional<ports::StartedExecution> started, co_await start(context));
  if (!started) co_return Next::kStop;
  execution.replace_row(started->execution);
  execution.know_job(*started);
  auto workflow = domain::inspect_workflow(started->workflow);
  auto body = domain::prompt_body(started->workflow, context.connection.client_id(), execution.row.client_prompt_id,
                                  to_string(execution.row.id), to_string(execution.row.job_id),
                                  extra_data_of(started->parameters_json), context.instance.unique_prefix);
  if (!workflow.ok() || !body.ok()) {
    const absl::Status& why = workflow.ok() ? body.status() : workflow.status();
    ports::Advance step = failed_with(domain::code::kInvalidWorkflow, std::string(base::to_std(why.message())));
    ASSIGN_OR_CO_RETURN([[maybe_unused]] const bool moved, co_await persist(context, std::move(step)));
    co_return Next::kStop;
  }
  execution.load(*std::move(workflow));
  keep_turn_by_workflow(context, started->workflow);
  // A wish that came before the intent makes start() refuse; one that comes later is a cancel of what was sent.
  context.router.add(execution.row.client_prompt_id, context.execution);
  UnclearPost post;
  post.own = true;
  post.socket_before = context.connection.generation();
  post.witness_before = context.witness;
  if (context.deps.clock.now() >= context.lease.trusted_until) {
    // Stopped for long, or the database is away: another bridge may own the instance by now.
    co_return co_await not_accepted(context, "not_sent_lease_expired");
  }
  auto open = std::make_optional<OpenPost>(context.router, execution);
  execution.posted_at = context.deps.clock.now();
  const absl::Time deadline = execution.posted_at + context.config.post_deadline;
  const domain::PostOutcome outcome =
      co_await context.comfy.post_prompt(*std::move(body), context.lease.trusted_until, deadline);
  const PostVerdict verdict = domain::classify_post(outcome);
  if (verdict.kind == PostVerdict::Kind::kAccepted && verdict.prompt_id != execution.prompt_id()) {
    execution.row.comfyui_prompt_id = verdict.prompt_id;
    context.router.add(verdict.prompt_id, context.execution);
  }
  // While it is unclear nobody knows whose the messages of an unknown prompt are: they are kept until it is known.
  if (verdict.kind != PostVerdict::Kind::kUnclear) open.reset();
  execution.posting = false;
  execution.answered_at = context.deps.clock.now();
  execution.changed().notify();
  context.deps.journal.info("prompt_posted", {{base::key::kExecution, execution.row.id},
                                              {base::key::kPrompt, execution.prompt_id()},
                                              {base::key::kReason, verdict.proof}});
  switch (verdict.kind) {
    case PostVerdict::Kind::kAccepted: {
      context.connection.accepted_post();
      for (const domain::NodeFault& fault : verdict.faults) {
        context.deps.journal.warning("accepted_with_loss", {{base::key::kExecution, execution.row.id},
                                                            {"node_id", fault.node_id},
                                                            {base::key::kReason, fault.message}});
      }
      co_return co_await accepted(context, verdict.prompt_id, verdict.proof, verdict.faults);
    }
    case PostVerdict::Kind::kRefused:
      co_return co_await refused(context, verdict);
    case PostVerdict::Kind::kNotAccepted:
      if (verdict.instance_misconfigured) {
        context.connection.refused_post("misconfigured: " + verdict.message);
      } else {
        context.connection.suspect_server("POST failed: " + verdict.message);
      }
      co_return co_await not_accepted(context, verdict.proof);
    case PostVerdict::Kind::kUnclear:
      if (outcome.kind == domain::PostOutcome::Kind::kAnswered) post.refusal = "POST /prompt: " + verdict.message;
      break;
  }
  co_return co_await resolve(context, post);
}

base::Task<absl::StatusOr<Next>> resolve(ExecutionContext context, UnclearPost post) {
  Execution& execution = *context.execution;
  base::Clock& clock = context.deps.clock;
  const OpenPost open(context.router, execution);
  context.router.add(execution.prompt_id(), context.execution);
  const std::vector<domain::NodeFault> nothing_left_out;  // as far as is known: the answer was lost
  domain::AbsenceEvidence evidence;
  const bool first_adoption = execution.row.adoptions <= 1;
  const ports::BridgeIdentity& self = context.config.identity;
  const bool by_predecessor = context.lease.previous_owner == self.owner && first_adoption;
  // It held the lock that is ours now.
  const bool is_dead = !self.lock.empty() && context.lease.previous_lock == self.lock;
  evidence.sender_is_gone = post.own || (is_dead && by_predecessor);
  evidence.behind_proxy = context.instance.behind_proxy;
  evidence.taken_over = !post.own && !by_predecessor;
  absl::Time first_absent = absl::InfiniteFuture();
  const absl::Time limit = clock.now() + context.config.unclear_limit;
  for (;;) {
    if (execution.given_up()) co_return Next::kStop;
    if (execution.heard().anything())
      co_return co_await accepted(context, execution.prompt_id(), "heard_on_socket", nothing_left_out);
    const absl::Time look_at = clock.now();
    auto seen = co_await look(context);
    if (absl::IsCancelled(seen.status())) co_return seen.status();
    if (seen.ok() && seen->where != Look::Where::kAbsent) {
      if (seen->where != Look::Where::kPending) execution.saw_started();
      co_return co_await accepted(context, seen->prompt_id, "found_by_look", nothing_left_out);
    }
    if (seen.ok()) {
      ++evidence.absent_rounds;
      if (first_absent == absl::InfiniteFuture()) first_absent = look_at;
      evidence.seconds_between_rounds = absl::ToDoubleSeconds(look_at - first_absent);
      evidence.unknown_heard = may_have_chosen(context);
      evidence.same_server_life = true;  // asked for only when everything else holds
      if (domain::is_strong(evidence)) {
        ASSIGN_OR_CO_RETURN(evidence.same_server_life, co_await same_server_life(context, post));
        // The socket may have spoken of it while we asked.
        evidence.unknown_heard = may_have_chosen(context);
        if (domain::is_strong(evidence) && !execution.heard().anything()) {
          // It would say the same to every other job that waits.
          if (!post.refusal.empty()) context.connection.refused_post(post.refusal);
          co_return co_await not_accepted(context, std::string(domain::kAbsentStrong));
        }
      }
    }
    if (execution.heard().anything()) continue;
    if (clock.now() >= limit) {
      ports::Advance step;
      step.to = ExecutionState::kLost;
      step.outcome_proof = std::string(domain::kUnclear);
      step.error =
          ports::JobError{std::string(domain::code::kSubmissionUnclear),
                          "nobody can know whether the instance accepted the prompt; look at the instance, then "
                          "retry the job if it did not run",
                          {},
                          {}};
      ASSIGN_OR_CO_RETURN([[maybe_unused]] const bool moved, co_await persist(context, std::move(step)));
      co_return Next::kStop;
    }
    const absl::Time pause = clock.now() + context.config.unclear_look_every;
    const absl::Status rested = co_await execution.changed().wait_until(std::min(pause, limit));
    if (absl::IsCancelled(rested)) co_return rested;
  }
}

namespace {

std::string extra_data_of(const std::string& parameters_json) {
  boost::system::error_code error;
  const boost::json::value parameters = boost::json::parse(parameters_json, error);
  if (error || !parameters.is_object()) return {};
  const auto* extra = parameters.as_object().if_contains("extra_data");
  if (extra == nullptr || !extra->is_object()) return {};
  return boost::json::serialize(*extra);
}

}  // namespace

}  // namespace renderyard::bridge
