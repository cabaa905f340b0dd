#include "services/api-gateway/gateway.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/error_code.h"
#include "services/api-gateway/job_json.h"
#include "services/api-gateway/job_request.h"
#include "services/api-gateway/json_writer.h"
#include "services/api-gateway/sha256.h"

namespace renderyard::gateway {

namespace {

namespace code = domain::code;
using ports::Topic;

constexpr std::size_t kMaxTokenChars = 512;
constexpr int kRetryAfterSecs = 1;

EventHub::Config hub_config(const Config& config) {
  EventHub::Config hub = config.events;
  hub.addresses = config.dispatcher_addresses;
  return hub;
}

bool may_touch(const ports::User& user, const ports::JobRow& job) {
  return user.role == ports::Role::kAdmin || job.submitted_by == user.id;
}

Problem no_such_job() {
  return make_problem(code::kNotFound, "there is no such job, or it is another user's");
}

bool unanswered(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
}

}  // namespace

std::optional<JobRef> parse_job_ref(std::string_view text) {
  std::int64_t id = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, id);
  if (result.ec == std::errc() && result.ptr == end && id > 0) return JobRef(ports::JobId{id});
  constexpr std::string_view kShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (text.size() != kShape.size()) return std::nullopt;
  std::string uid;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (kShape[i] == '-' ? c != '-' : !hex) return std::nullopt;
    uid += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return JobRef(std::move(uid));
}

Gateway::Gateway(Deps deps, Config config)
    : deps_(deps),
      config_(std::move(config)),
      auth_(config_.auth_ttl, config_.auth_entries),
      events_({deps.strand, deps.clock, deps.random, deps.journal, deps.dispatchers}, hub_config(config_)),
      progress_({deps.strand, deps.clock, deps.random, deps.journal, deps.store, deps.bridges}, config_.progress),
      group_(deps.strand) {
  events_.on_event([this](const ports::JobEvent& event) {
    if (ends_job(event.type)) progress_.job_ended(event.job_id);
  });
  events_.on_reset([this] { progress_.forget_all(); });
}

base::Task<absl::Status> Gateway::run() {
  deps_.hints.listen(Topic::kInstances, [this] { progress_.look(); });
  group_.spawn(events_.run());
  group_.spawn(progress_.run());
  const absl::Status status = co_await group_.join();
  deps_.hints.listen(Topic::kInstances, nullptr);
  if (absl::IsCancelled(status)) co_return absl::OkStatus();
  co_return status;
}

void Gateway::stop() {
  stopped_ = true;
  group_.cancel();
  for (const auto& weak : feeds_) {
    if (auto feed = weak.lock()) {
      feed->close(make_problem(code::kUnavailable, "the gateway is stopping; reconnect with the last position"));
    }
  }
}

base::Task<Answer<ports::User>> Gateway::authenticate(std::string token) {
  const Problem refused = make_problem(
      code::kUnauthenticated, "send a valid token in the header \"Authorization: Bearer <token>\"", "Authorization");
  if (token.empty() || token.size() > kMaxTokenChars) co_return refused;
  const std::string hash = sha256_hex(token);
  const absl::Time now = deps_.clock.now();
  if (auto known = auth_.find(hash, now)) co_return *std::move(known);
  auto user = co_await deps_.store.authenticate(hash);
  if (absl::IsNotFound(user.status())) co_return refused;
  if (!user.ok()) co_return store_problem("authenticate", user.status());
  // The moment of the question, not of the answer: the token may have been revoked in between.
  auth_.put(hash, *user, now);
  co_return *std::move(user);
}

base::Task<Answer<Submitted>> Gateway::submit(ports::User user, std::string body,
                                              std::optional<std::string> idempotency_key) {
  if (idempotency_key) {
    if (auto problem = check_idempotency_key(*idempotency_key)) co_return *std::move(problem);
  }
  auto parsed = parse_job_request(body);
  if (!parsed.ok()) co_return std::move(parsed).problem();
  ports::NewJob job = *std::move(parsed);
  job.user = user.id;
  job.uid = deps_.random.uuid4();
  if (idempotency_key) {
    ports::IdempotencyKey key;
    key.key = *std::move(idempotency_key);
    key.body_sha256 = sha256_hex(body);
    job.idempotency = std::move(key);
  }
  body = std::string();
  co_return co_await store_job(std::move(job));
}

base::Task<Answer<Submitted>> Gateway::store_job(ports::NewJob job) {
  JsonObject answer;
  answer.text("job_type", job.job_type);
  answer.text("status", domain::to_string(ports::JobStatus::kPending));
  answer.text("name", job.name);
  answer.number("priority", job.priority);
  const bool repeatable = job.idempotency.has_value();
  auto stored = co_await deps_.store.submit(std::move(job));
  if (stored.ok() || unanswered(stored.status())) {
    // Also when nobody knows whether it was stored: a hint costs nothing.
    deps_.hints.send(Topic::kJobs);
    deps_.hints.send(Topic::kEvents);
  }
  if (absl::IsInvalidArgument(stored.status())) {
    co_return make_problem(code::kUnstorableText,
                           absl::StrCat("the database refuses a value: ", stored.status().message()));
  }
  if (absl::IsAlreadyExists(stored.status())) {
    co_return make_problem(code::kIdempotencyKeyReused,
                           "this Idempotency-Key came before with another body; take a new key for a new job",
                           "Idempotency-Key");
  }
  if (unanswered(stored.status())) {
    Problem problem = store_problem("submit", stored.status());
    problem.detail = repeatable
                         ? "the database did not answer, so the job may have been stored or not; repeat the request "
                           "with the same Idempotency-Key: it is safe"
                         : "the database did not answer, so the job may have been stored or not; look at the list "
                           "of jobs before repeating, and send an Idempotency-Key: with the same key, repeating "
                           "is safe";
    co_return problem;
  }
  if (!stored.ok()) co_return store_problem("submit", stored.status());
  if (stored->replayed) co_return co_await answer_replay(stored->id);
  answer.number("id", stored->id.value);
  answer.text("uid", stored->uid);
  answer.time("submitted_at", stored->submitted_at);
  deps_.journal.info("job_submitted", {{base::key::kJob, stored->id}});
  Submitted submitted;
  submitted.id = stored->id;
  submitted.body = std::move(answer).finish();
  co_return submitted;
}

base::Task<Answer<Submitted>> Gateway::answer_replay(ports::JobId id) {
  auto row = co_await deps_.store.get(id);
  if (!row.ok()) co_return store_problem("submit", row.status());
  JsonObject answer;
  answer.text("job_type", row->job_type);
  answer.text("status", domain::to_string(row->status));
  answer.text("name", row->name);
  answer.number("priority", row->priority);
  answer.number("id", row->id.value);
  answer.text("uid", row->uid);
  answer.time("submitted_at", row->submitted_at);
  Submitted submitted;
  submitted.id = id;
  submitted.body = std::move(answer).finish();
  submitted.replayed = true;
  co_return submitted;
}

base::Task<Answer<std::string>> Gateway::get(ports::User user, JobRef job) {
  auto row = co_await find_visible(user, std::move(job));
  if (!row.ok()) co_return std::move(row).problem();
  auto outputs = co_await deps_.store.outputs(row->id);
  if (!outputs.ok()) co_return store_problem("outputs", outputs.status());
  add_progress(*row);
  co_return job_details(*row, *outputs);
}

base::Task<Answer<std::string>> Gateway::list(ports::User user, ListRequest request) {
  ports::JobListQuery query;
  if (user.role != ports::Role::kAdmin) query.user = user.id;
  query.status = request.status;
  query.before = request.before;
  query.offset = request.offset;
  query.limit = request.limit + 1;  // one more tells whether there is a next page
  auto rows = co_await deps_.store.list(query);
  if (!rows.ok()) co_return store_problem("list", rows.status());
  const bool more = rows->size() > static_cast<std::size_t>(request.limit);
  if (more) rows->resize(static_cast<std::size_t>(request.limit));
  for (ports::JobRow& row : *rows) add_progress(row);
  JsonObject answer;
  answer.raw("jobs", job_list(*rows));
  if (more) {
    answer.text("next_cursor", std::to_string(rows->back().id.value));
  } else {
    answer.null("next_cursor");
  }
  co_return std::move(answer).finish();
}

base::Task<Answer<std::string>> Gateway::outputs(ports::User user, JobRef job) {
  auto row = co_await find_visible(user, std::move(job));
  if (!row.ok()) co_return std::move(row).problem();
  auto outputs = co_await deps_.store.outputs(row->id);
  if (!outputs.ok()) co_return store_problem("outputs", outputs.status());
  JsonObject answer;
  answer.raw("outputs", output_list(*outputs));
  co_return std::move(answer).finish();
}

base::Task<Answer<OpenOutput>> Gateway::open_output(ports::User user, JobRef job, int n) {
  auto row = co_await find_visible(user, std::move(job));
  if (!row.ok()) co_return std::move(row).problem();
  auto outputs = co_await deps_.store.outputs(row->id);
  if (!outputs.ok()) co_return store_problem("outputs", outputs.status());
  const auto found =
      std::find_if(outputs->begin(), outputs->end(), [n](const ports::OutputRow& output) { return output.n == n; });
  if (found == outputs->end()) {
    co_return make_problem(code::kNotFound, absl::StrCat("the job has no output ", n, "; it has ", outputs->size()));
  }
  OpenOutput open;
  open.row = *found;
  auto blob = co_await deps_.artifacts.open(open.row.sha256);
  if (absl::IsNotFound(blob.status())) {
    deps_.journal.error("artifact_missing", {{base::key::kJob, open.row.job_id}, {"sha256", open.row.sha256}});
    co_return make_problem(code::kOutputMissing, "the file of this output is no longer in the artifact store");
  }
  if (!blob.ok()) co_return store_problem("open_output", blob.status());
  open.blob = *std::move(blob);
  co_return open;
}

base::Task<Answer<ports::CancelOutcome>> Gateway::cancel(ports::User user, JobRef job) {
  auto row = co_await find(std::move(job));
  if (!row.ok()) co_return std::move(row).problem();
  if (!may_touch(user, *row)) co_return make_problem(code::kForbidden, "only the owner of a job may cancel it");
  auto outcome = co_await deps_.store.request_cancel(row->id, user.id);
  if (outcome.ok() || unanswered(outcome.status())) {
    deps_.hints.send(Topic::kJobs);
    deps_.hints.send(Topic::kAssigned);
    deps_.hints.send(Topic::kEvents);
  }
  if (unanswered(outcome.status())) {
    Problem problem = store_problem("cancel", outcome.status());
    problem.detail = "the database did not answer, so the wish may have been recorded or not; repeating it is safe";
    co_return problem;
  }
  if (absl::IsNotFound(outcome.status())) co_return no_such_job();
  if (!outcome.ok()) co_return store_problem("cancel", outcome.status());
  if (*outcome == ports::CancelOutcome::kAlreadyEnded) {
    co_return make_problem(code::kAlreadyEnded, "the job has already completed or failed, so it cannot be cancelled");
  }
  deps_.journal.info("cancel_requested", {{base::key::kJob, row->id}});
  co_return *outcome;
}

Answer<std::shared_ptr<Subscription>> Gateway::subscribe(ports::User user, SubscribeRequest request) {
  if (request.scope == SubscribeRequest::Scope::kAll && user.role != ports::Role::kAdmin) {
    return make_problem(code::kForbidden, "\"all\" is for admins; subscribe to \"own\"", "jobs");
  }
  if (stopped_) return make_problem(code::kUnavailable, "the gateway is stopping; reconnect with the last position");
  Subscription::Deps deps{deps_.strand, deps_.clock, deps_.store, events_, progress_};
  auto feed = std::make_shared<Subscription>(deps, config_.feed, std::move(user), std::move(request));
  std::erase_if(feeds_, [](const auto& weak) { return weak.expired(); });
  feeds_.push_back(feed);
  return feed;
}

std::string Gateway::health() const {
  JsonObject parts;
  parts.text("events", events_.following() ? "ok" : "lost");
  parts.number("bridges", static_cast<std::int64_t>(progress_.bridges()));
  JsonObject answer;
  answer.text("status", events_.following() ? "ok" : "degraded");
  answer.raw("parts", std::move(parts).finish());
  return std::move(answer).finish();
}

base::Task<Answer<ports::JobRow>> Gateway::find(JobRef job) {
  absl::StatusOr<ports::JobRow> row;
  if (job.index() == 0) {
    row = co_await deps_.store.get(std::get<0>(job));
  } else {
    row = co_await deps_.store.get_by_uid(std::get<1>(job));
  }
  if (absl::IsNotFound(row.status())) co_return no_such_job();
  if (!row.ok()) co_return store_problem("get", row.status());
  co_return *std::move(row);
}

base::Task<Answer<ports::JobRow>> Gateway::find_visible(ports::User user, JobRef job) {
  auto row = co_await find(std::move(job));
  if (row.ok() && !may_touch(user, *row)) co_return no_such_job();
  co_return row;
}

Problem Gateway::store_problem(std::string_view what, const absl::Status& status) const {
  if (unanswered(status)) {
    deps_.journal.warning("store_away", {{"call", what}, {base::key::kReason, status.ToString()}});
    Problem problem = make_problem(code::kUnavailable, "the database or the file store does not answer; try again");
    problem.retry_after_secs = kRetryAfterSecs;
    return problem;
  }
  deps_.journal.error("store_failed", {{"call", what}, {base::key::kReason, status.ToString()}});
  return make_problem(code::kInternal, "this is a defect of the service; its log says more");
}

void Gateway::add_progress(ports::JobRow& row) const {
  if (domain::is_final(row.status)) return;
  if (const ports::Progress* fresh = progress_.latest(row.id)) {
    row.progress_percent = std::max(row.progress_percent, fresh->percent);
  }
}

}  // namespace renderyard::gateway
