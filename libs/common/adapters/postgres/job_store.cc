#include "libs/common/adapters/postgres/job_store.h"

#include <limits>
#include <utility>

#include "libs/common/adapters/postgres/job_store_sql.h"
#include "libs/common/adapters/postgres/offload.h"
#include "libs/common/adapters/postgres/rows.h"

namespace renderyard::postgres {

namespace {

ports::JobRow read_job(const pqxx::row& columns) {
  Reader reader(columns);
  ports::JobRow row;
  row.id = reader.id<ports::JobId>();
  row.uid = reader.text();
  row.job_type = reader.text();
  row.status = static_cast<ports::JobStatus>(reader.small());
  row.submitted_by = reader.id<ports::UserId>();
  row.worker_id = reader.maybe_id<ports::InstanceId>();
  row.priority = reader.small();
  row.workflow = reader.text();
  row.parameters_json = reader.text();
  row.name = reader.maybe_text();
  row.metadata_json = reader.maybe_text();
  row.result_json = reader.maybe_text();
  row.error = read_error(reader);
  row.progress_percent = reader.small();
  row.progress_message = reader.maybe_text();
  row.submitted_at = reader.time();
  row.claimed_at = reader.maybe_time();
  row.started_at = reader.maybe_time();
  row.completed_at = reader.maybe_time();
  row.cancel_requested_at = reader.maybe_time();
  row.estimated_duration_secs = reader.maybe_small();
  row.actual_duration_secs = reader.maybe_small();
  row.retry_of_job_id = reader.maybe_id<ports::JobId>();
  row.execution_id = reader.maybe_id<ports::ExecutionId>();
  row.attempt = reader.small();
  row.event_seq = reader.small();
  row.waiting_reason = reader.maybe_text();
  row.silent_since = reader.maybe_time();
  row.warnings_json = reader.maybe_text();
  if (const auto ran = reader.maybe_boolean()) {
    ports::OperatorNote note;
    note.ran = *ran;
    note.who = reader.text();
    note.why = reader.text();
    note.at = reader.time();
    row.operator_note = std::move(note);
  }
  return row;
}

ports::SubmittedJob read_submitted(Reader& reader) {
  ports::SubmittedJob submitted;
  submitted.id = reader.id<ports::JobId>();
  submitted.uid = reader.text();
  submitted.submitted_at = reader.time();
  return submitted;
}

Params submit_params(const ports::NewJob& job) {
  Params params;
  params.add(job.uid).add(job.job_type).add(job.user).add(job.priority).maybe(job.name).maybe(job.metadata_json);
  params.add(job.workflow).add(job.parameters_json).maybe(job.estimated_duration_secs).add(job.needs_key);
  params.maybe(job.wait_limit);
  return params;
}

absl::StatusOr<ports::SubmittedJob> submit_with_key(Session& session, const ports::NewJob& job) {
  Params params = submit_params(job);
  params.add(job.idempotency->key).add(job.idempotency->body_sha256);
  const pqxx::result made = session.run(sql::kSubmitWithKey, params);
  if (!made.empty()) {
    Reader reader(made.front());
    return read_submitted(reader);
  }
  const pqxx::result first = session.run(sql::kFindKey, Params().add(job.user).add(job.idempotency->key));
  // Somebody was taking the key and the key is gone again: only a deleted user or job explains it.
  if (first.empty()) return absl::UnavailableError("the Idempotency-Key is in flux, ask again");
  Reader reader(first.front());
  ports::SubmittedJob submitted = read_submitted(reader);
  submitted.replayed = true;
  if (reader.text() != job.idempotency->body_sha256) {
    return absl::AlreadyExistsError("the Idempotency-Key was used with another body");
  }
  return submitted;
}

absl::StatusOr<ports::JobRow> one_job(const pqxx::result& result) {
  if (result.empty()) return absl::NotFoundError("no such job");
  return read_job(result.front());
}

}  // namespace

base::Task<absl::StatusOr<ports::User>> JobStore::authenticate(std::string token_sha256) {
  auto work = [token_sha256 = std::move(token_sha256)](Session& session) -> absl::StatusOr<ports::User> {
    const pqxx::result result = session.run(sql::kAuthenticate, Params().add(token_sha256));
    if (result.empty()) return absl::NotFoundError("no such token");
    Reader reader(result.front());
    ports::User user;
    user.id = reader.id<ports::UserId>();
    user.name = reader.text();
    user.role = reader.text() == "admin" ? ports::Role::kAdmin : ports::Role::kUser;
    return user;
  };
  return offload<absl::StatusOr<ports::User>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::SubmittedJob>> JobStore::submit(ports::NewJob job) {
  auto work = [job = std::move(job)](Session& session) -> absl::StatusOr<ports::SubmittedJob> {
    if (job.idempotency) return submit_with_key(session, job);
    const pqxx::result result = session.run(sql::kSubmit, submit_params(job));
    Reader reader(result.front());
    return read_submitted(reader);
  };
  return offload<absl::StatusOr<ports::SubmittedJob>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::JobRow>> JobStore::get(ports::JobId id) {
  auto work = [id](Session& session) { return one_job(session.run(sql::kGetJob, Params().add(id))); };
  return offload<absl::StatusOr<ports::JobRow>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::JobRow>> JobStore::get_by_uid(std::string uid) {
  auto work = [uid = std::move(uid)](Session& session) {
    return one_job(session.run(sql::kGetJobByUid, Params().add(uid)));
  };
  return offload<absl::StatusOr<ports::JobRow>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::JobRow>>> JobStore::list(ports::JobListQuery query) {
  auto work = [query](Session& session) -> absl::StatusOr<std::vector<ports::JobRow>> {
    Params params;
    query.status ? params.add(static_cast<int>(*query.status)) : params.null();
    params.add(query.before ? query.before->value : std::numeric_limits<std::int64_t>::max());
    params.add(query.limit).add(query.offset);
    if (query.user) params.add(*query.user);
    std::vector<ports::JobRow> rows;
    const pqxx::result result = session.run(query.user ? sql::kListJobsOfUser : sql::kListJobs, params);
    for (const auto& row : result) rows.push_back(read_job(row));
    return rows;
  };
  return offload<absl::StatusOr<std::vector<ports::JobRow>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::OutputRow>>> JobStore::outputs(ports::JobId id) {
  auto work = [id](Session& session) -> absl::StatusOr<std::vector<ports::OutputRow>> {
    std::vector<ports::OutputRow> rows;
    const pqxx::result result = session.run(sql::kOutputs, Params().add(id));
    for (const auto& columns : result) {
      Reader reader(columns);
      ports::OutputRow row;
      row.job_id = reader.id<ports::JobId>();
      row.n = reader.small();
      row.execution_id = reader.id<ports::ExecutionId>();
      row.node_id = reader.text();
      row.kind = reader.text();
      row.filename = reader.text();
      row.content_type = reader.text();
      row.size_bytes = reader.number();
      row.sha256 = reader.text();
      rows.push_back(std::move(row));
    }
    return rows;
  };
  return offload<absl::StatusOr<std::vector<ports::OutputRow>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::CancelOutcome>> JobStore::request_cancel(ports::JobId id, ports::UserId by) {
  auto work = [id, by](Session& session) -> absl::StatusOr<ports::CancelOutcome> {
    Transaction transaction(session);
    const pqxx::result result = transaction.run(sql::kRecordWish, Params().add(id).add(by));
    if (result.empty()) return absl::NotFoundError("no such job");
    Reader reader(result.front());
    const auto status = static_cast<ports::JobStatus>(reader.small());
    if (const auto execution = reader.maybe_id<ports::ExecutionId>()) {
      transaction.run(sql::kCopyWish, Params().add(*execution));
    }
    transaction.commit();
    if (status == ports::JobStatus::kCancelled) return ports::CancelOutcome::kAlreadyCancelled;
    if (domain::is_final(status)) return ports::CancelOutcome::kAlreadyEnded;
    return ports::CancelOutcome::kRecorded;
  };
  return offload<absl::StatusOr<ports::CancelOutcome>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::JobEvent>>> JobStore::events(ports::EventQuery query) {
  auto work = [query](Session& session) -> absl::StatusOr<std::vector<ports::JobEvent>> {
    Params params = Params().add(query.after).add(query.upto).add(query.limit);
    if (query.user) params.add(*query.user);
    std::vector<ports::JobEvent> events;
    const pqxx::result result = session.run(query.user ? sql::kEventsOfUser : sql::kEvents, params);
    for (const auto& columns : result) {
      Reader reader(columns);
      events.push_back(read_event(reader));
    }
    return events;
  };
  return offload<absl::StatusOr<std::vector<ports::JobEvent>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::ClusterMeta>> JobStore::cluster() {
  auto work = [](Session& session) -> absl::StatusOr<ports::ClusterMeta> {
    const pqxx::result result = session.run(sql::kCluster);
    Reader reader(result.front());
    ports::ClusterMeta meta;
    meta.epoch = reader.text();
    meta.events_floor = reader.number();
    return meta;
  };
  return offload<absl::StatusOr<ports::ClusterMeta>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<std::string>>> JobStore::bridge_addresses() {
  auto work = [](Session& session) -> absl::StatusOr<std::vector<std::string>> {
    std::vector<std::string> addresses;
    const pqxx::result result = session.run(sql::kBridgeAddresses);
    for (const auto& columns : result) addresses.emplace_back(columns[0].c_str());
    return addresses;
  };
  return offload<absl::StatusOr<std::vector<std::string>>>(pool_, strand_, std::move(work));
}

}  // namespace renderyard::postgres
