#include "libs/common/testing/fake_job_store.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <set>
#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/testing/fake_text.h"
#include "libs/common/testing/fake_wish.h"

namespace renderyard::testing {

namespace {

using domain::Owner;

absl::StatusOr<ports::SubmittedJob> submit_job(Transaction& txn, const ports::NewJob& job) {
  if (job.idempotency) {
    RETURN_IF_ERROR(check_text("key", job.idempotency->key));
    if (job.idempotency->key.empty() || job.idempotency->key.size() > 255) return absl::InvalidArgumentError("key");
    const auto seen = txn.tables().idempotency_keys.find(std::pair(job.user, job.idempotency->key));
    if (seen != txn.tables().idempotency_keys.end()) {
      if (seen->second.body_sha256 != job.idempotency->body_sha256) {
        return absl::AlreadyExistsError("the Idempotency-Key was used with another body");
      }
      const JobRecord& first = *txn.database().job(seen->second.job);
      ports::SubmittedJob replayed;
      replayed.id = first.row.id;
      replayed.uid = first.row.uid;
      replayed.submitted_at = first.row.submitted_at;
      replayed.replayed = true;
      return replayed;
    }
  }
  JobRecord record;
  record.row.id = txn.next_job_id();
  record.row.uid = job.uid;
  record.row.job_type = job.job_type;
  record.row.submitted_by = job.user;
  record.row.priority = job.priority;
  record.row.workflow = job.workflow;
  record.row.parameters_json = job.parameters_json;
  record.row.name = job.name;
  record.row.metadata_json = job.metadata_json;
  record.row.estimated_duration_secs = job.estimated_duration_secs;
  record.row.submitted_at = txn.now();
  record.needs_key = job.needs_key;
  if (job.wait_limit) record.wait_until = record.row.submitted_at + *job.wait_limit;
  base::json::object data;
  data["job_type"] = job.job_type;
  data["priority"] = job.priority;
  RETURN_IF_ERROR(check_text("job_type", job.job_type));
  RETURN_IF_ERROR(txn.write_event(record, ports::event_type::kSubmitted, std::nullopt, base::json::serialize(data)));
  RETURN_IF_ERROR(txn.put(record, Owner::kGateway));
  if (job.idempotency) {
    IdempotencyRecord key;
    key.body_sha256 = job.idempotency->body_sha256;
    key.job = record.row.id;
    txn.put(job.user, job.idempotency->key, key);
  }
  ports::SubmittedJob submitted;
  submitted.id = record.row.id;
  submitted.uid = record.row.uid;
  submitted.submitted_at = record.row.submitted_at;
  return submitted;
}

std::vector<ports::JobRow> list_jobs(Transaction& txn, const ports::JobListQuery& query) {
  std::vector<ports::JobRow> rows;
  int to_skip = query.offset;
  for (auto it = txn.tables().jobs.rbegin(); it != txn.tables().jobs.rend(); ++it) {
    const ports::JobRow& job = it->second.row;
    if (query.user && job.submitted_by != *query.user) continue;
    if (query.status && job.status != *query.status) continue;
    if (query.before && job.id >= *query.before) continue;
    if (to_skip-- > 0) continue;
    if (static_cast<int>(rows.size()) >= query.limit) break;
    ports::JobRow row = txn.database().view(it->second);
    row.workflow.clear();
    row.parameters_json.clear();
    row.result_json.reset();
    row.operator_note.reset();
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<ports::JobEvent> read_events(Transaction& txn, const ports::EventQuery& query) {
  std::vector<ports::JobEvent> events;
  const auto& table = txn.tables().events;
  for (auto it = table.upper_bound(query.after); it != table.end() && it->first <= query.upto; ++it) {
    if (query.user && it->second.user_id != *query.user) continue;
    if (static_cast<int>(events.size()) >= query.limit) break;
    events.push_back(it->second);
  }
  return events;
}

}  // namespace

base::Task<absl::StatusOr<ports::User>> FakeJobStore::authenticate(std::string token_sha256) {
  return read<absl::StatusOr<ports::User>>(
      "authenticate", [token = std::move(token_sha256)](Transaction& txn) -> absl::StatusOr<ports::User> {
        const auto found = txn.tables().tokens.find(token);
        if (found == txn.tables().tokens.end() || found->second.revoked) return absl::NotFoundError("no such token");
        return txn.tables().users.at(found->second.user);
      });
}

base::Task<absl::StatusOr<ports::SubmittedJob>> FakeJobStore::submit(ports::NewJob job) {
  Draws draws;
  draws.event_ids = 1;
  draws.job_id = true;
  return write<absl::StatusOr<ports::SubmittedJob>>(
      "submit", draws, [job = std::move(job)](Transaction& txn) { return submit_job(txn, job); });
}

base::Task<absl::StatusOr<ports::JobRow>> FakeJobStore::get(ports::JobId id) {
  return read<absl::StatusOr<ports::JobRow>>("get", [id](Transaction& txn) -> absl::StatusOr<ports::JobRow> {
    const JobRecord* job = txn.database().job(id);
    if (job == nullptr) return absl::NotFoundError("no such job");
    return txn.database().view(*job);
  });
}

base::Task<absl::StatusOr<ports::JobRow>> FakeJobStore::get_by_uid(std::string uid) {
  return read<absl::StatusOr<ports::JobRow>>("get_by_uid",
                                             [uid = std::move(uid)](Transaction& txn) -> absl::StatusOr<ports::JobRow> {
                                               for (const auto& [id, job] : txn.tables().jobs) {
                                                 if (job.row.uid == uid) return txn.database().view(job);
                                               }
                                               return absl::NotFoundError("no such job");
                                             });
}

base::Task<absl::StatusOr<std::vector<ports::JobRow>>> FakeJobStore::list(ports::JobListQuery query) {
  return read<absl::StatusOr<std::vector<ports::JobRow>>>("list",
                                                          [query](Transaction& txn) { return list_jobs(txn, query); });
}

base::Task<absl::StatusOr<std::vector<ports::OutputRow>>> FakeJobStore::outputs(ports::JobId id) {
  return read<absl::StatusOr<std::vector<ports::OutputRow>>>("outputs", [id](Transaction& txn) {
    std::vector<ports::OutputRow> rows;
    // Only one execution of a job can complete, so its key order is the order by n.
    for (const auto& [key, output] : txn.tables().outputs) {
      if (output.job_id == id) rows.push_back(output);
    }
    return rows;
  });
}

base::Task<absl::StatusOr<ports::CancelOutcome>> FakeJobStore::request_cancel(ports::JobId id, ports::UserId by) {
  Draws draws;
  draws.event_ids = 1;
  return write<absl::StatusOr<ports::CancelOutcome>>("request_cancel", draws,
                                                     [id, by](Transaction& txn) { return record_wish(txn, id, by); });
}

base::Task<absl::StatusOr<std::vector<ports::JobEvent>>> FakeJobStore::events(ports::EventQuery query) {
  return read<absl::StatusOr<std::vector<ports::JobEvent>>>(
      "events", [query](Transaction& txn) { return read_events(txn, query); });
}

base::Task<absl::StatusOr<ports::ClusterMeta>> FakeJobStore::cluster() {
  return read<absl::StatusOr<ports::ClusterMeta>>("cluster", [](Transaction& txn) { return txn.tables().meta; });
}

base::Task<absl::StatusOr<std::vector<std::string>>> FakeJobStore::bridge_addresses() {
  return read<absl::StatusOr<std::vector<std::string>>>("bridge_addresses", [](Transaction& txn) {
    std::set<std::string> addresses;
    for (const auto& [instance, lease] : txn.tables().leases) {
      if (lease.expires_at > txn.now()) addresses.insert(lease.address);
    }
    return std::vector<std::string>(addresses.begin(), addresses.end());
  });
}

}  // namespace renderyard::testing
