#include "services/bridge/limit_watch.h"

#include <algorithm>
#include <string>
#include <utility>

#include "libs/common/base/status_macros.h"

namespace renderyard::bridge {

namespace {

// How much silence a process that is killed may add to a prompt's: what it heard last and had not written.
absl::Duration sign_every(absl::Duration silence) {
  return std::clamp(silence / 4, absl::Seconds(1), absl::Seconds(10));
}

}  // namespace

LimitWatch::LimitWatch(ExecutionContext& context)
    : context_(context),
      execution_(*context.execution),
      clock_(context.deps.clock),
      passed_(domain::passed_limit_from(execution_.row.limit_passed.value_or(""))),
      begun_(clock_.now()) {
  if (passed()) stop_by_grace();
}

base::Task<absl::Status> LimitWatch::look() {
  const domain::JobLimits& limits = execution_.limits;
  if (passed() || (!limits.run && !limits.silence)) {
    look_at_ = absl::InfiniteFuture();
    co_return absl::OkStatus();
  }
  keep_sign();
  listen_anew();
  const absl::Time now = clock_.now();
  const domain::LimitVerdict verdict = domain::check_limits(limits, facts(), execution_.database_time(now));
  if (verdict.passed == domain::PassedLimit::kNone) {
    // A look now and then also finds a start that the database was told of, and a socket that came or went.
    const absl::Duration wait = verdict.look_again_at - execution_.database_time(now);
    look_at_ = now + std::clamp(wait, absl::Milliseconds(5), absl::Seconds(1));
    co_return absl::OkStatus();
  }
  look_at_ = now + absl::Seconds(1);
  std::string code(domain::code_of(verdict.passed));
  const auto written = co_await context_.deps.executions.record_limit(execution_.row.id, context_.lease.epoch, code);
  if (absl::IsCancelled(written.status())) co_return written.status();
  // Not ours any more: whoever has it judges by its own. Away: tried again.
  if (!written.ok() || !*written) co_return absl::OkStatus();
  passed_ = verdict.passed;
  execution_.row.limit_passed = code;
  stop_by_grace();
  context_.deps.journal.warning("limit_passed", {{base::key::kExecution, execution_.row.id},
                                                 {base::key::kJob, execution_.row.job_id},
                                                 {base::key::kPrompt, execution_.prompt_id()},
                                                 {base::key::kCode, code}});
  co_return absl::OkStatus();
}

bool LimitWatch::overdue() const {
  return passed() && clock_.now() >= give_up_at_;
}

ports::JobError LimitWatch::error() const {
  const bool run = passed_ == domain::PassedLimit::kRun;
  const absl::Duration limit = (run ? execution_.limits.run : execution_.limits.silence).value_or(absl::ZeroDuration());
  const std::string seconds = std::to_string(absl::ToInt64Seconds(limit)) + " s";
  ports::JobError error;
  error.code = std::string(domain::code_of(passed_));
  error.message = run ? "the prompt ran for longer than limits.run_secs allows, " + seconds
                      : "nothing was heard of the prompt for limits.silence_secs, " + seconds;
  error.node_id = execution_.row.current_node.value_or("");
  if (auto it = execution_.workflow.nodes.find(error.node_id); it != execution_.workflow.nodes.end()) {
    error.node_class = it->second.class_type;
  }
  return error;
}

domain::RunFacts LimitWatch::facts() const {
  domain::RunFacts facts;
  facts.started_at = execution_.row.started_at;
  facts.last_sign_at = execution_.row.last_sign_at;
  if (execution_.last_heard_at() != absl::InfinitePast()) {
    const absl::Time heard = execution_.database_time(execution_.last_heard_at());
    facts.last_sign_at = std::max(facts.last_sign_at.value_or(heard), heard);
  }
  if (const Connection* socket = its_socket(); socket != nullptr && socket->connected()) {
    facts.listening_since = execution_.database_time(std::max(begun_, socket->opened_at()));
  }
  return facts;
}

// The one its messages come on; null when there is none.
Connection* LimitWatch::its_socket() const {
  return context_.sockets.find(execution_.row.client_id.value_or(""));
}

// Whoever takes the execution over counts the silence from here.
void LimitWatch::keep_sign() {
  const absl::Time heard = execution_.last_heard_at();
  if (!execution_.limits.silence || !execution_.row.started_at || heard == absl::InfinitePast()) return;
  if (heard < sign_kept_ + sign_every(*execution_.limits.silence)) return;
  sign_kept_ = heard;
  report_progress(context_);
}

// A socket can be deaf without showing it. Before silence is held against a prompt, a fresh one has listened.
void LimitWatch::listen_anew() {
  const auto& silence = execution_.limits.silence;
  const domain::RunFacts known = facts();
  if (!silence || !known.started_at || !known.listening_since) return;
  const absl::Time now = execution_.database_time(clock_.now());
  const absl::Time sign = std::max(*known.started_at, known.last_sign_at.value_or(absl::InfinitePast()));
  const absl::Time half = std::max(sign, *known.listening_since) + *silence / 2;
  if (now < half || listened_anew_ >= sign) return;
  listened_anew_ = now;
  its_socket()->reopen("silent: nothing was heard of a running prompt for half of its limit");
}

void LimitWatch::stop_by_grace() {
  give_up_at_ = clock_.now() + context_.config.stop_grace;
}

}  // namespace renderyard::bridge
