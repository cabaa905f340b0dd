// What the gateway does with jobs: identify, submit, read, wish to cancel. Adapter: adapters/postgres, fake:
// testing/fake_stores. Every call may fail with UNAVAILABLE (the database is away, or the answer to COMMIT was lost:
// then it may have happened; submit with an Idempotency-Key can be repeated safely) or DEADLINE_EXCEEDED.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/task.h"
#include "libs/common/ports/model.h"

namespace renderyard::ports {

struct IdempotencyKey {
  std::string key;          // as the client sent it, 1…255 printable characters
  std::string body_sha256;  // 64 lowercase hex digits
};

struct NewJob {
  UserId user;
  std::string uid;
  std::string job_type;
  std::string workflow;
  std::string parameters_json;  // JSON object without "workflow"
  std::string needs_key;
  int priority = 0;
  std::optional<int> estimated_duration_secs;
  std::optional<std::string> name;
  std::optional<std::string> metadata_json;
  std::optional<absl::Duration> wait_limit;  // how long it may wait for its start; absent: for ever
  std::optional<IdempotencyKey> idempotency;
};

struct SubmittedJob {
  JobId id;
  std::string uid;
  absl::Time submitted_at;
  bool replayed = false;  // the same key and body were seen before; id is that of the first time
};

struct JobListQuery {
  std::optional<UserId> user;  // nullopt = all (admins)
  std::optional<JobStatus> status;
  std::optional<JobId> before;  // cursor: jobs with a smaller id, newest first
  int limit = 100;
  int offset = 0;
};

struct EventQuery {
  std::optional<UserId> user;  // nullopt = all
  std::int64_t after = 0;      // id > after
  std::int64_t upto = 0;       // id <= upto
  int limit = 500;
};

enum class CancelOutcome { kRecorded, kAlreadyCancelled, kAlreadyEnded };

class JobStore {
 public:
  virtual ~JobStore() = default;

  // token_sha256: 64 lowercase hex digits of the bearer token. NOT_FOUND when no live token has it.
  virtual base::Task<absl::StatusOr<User>> authenticate(std::string token_sha256) = 0;

  // One transaction: job, its job_submitted event (seq 1), idempotency key. INVALID_ARGUMENT: a text PostgreSQL
  // refuses; ALREADY_EXISTS: the key was used with another body.
  virtual base::Task<absl::StatusOr<SubmittedJob>> submit(NewJob job) = 0;

  // NOT_FOUND. get_by_uid takes the canonical lowercase UUID.
  virtual base::Task<absl::StatusOr<JobRow>> get(JobId id) = 0;
  virtual base::Task<absl::StatusOr<JobRow>> get_by_uid(std::string uid) = 0;
  // Newest first (by id). Rows carry empty workflow, parameters_json and result_json.
  virtual base::Task<absl::StatusOr<std::vector<JobRow>>> list(JobListQuery query) = 0;
  // Ordered by n.
  virtual base::Task<absl::StatusOr<std::vector<OutputRow>>> outputs(JobId id) = 0;

  // The wish, durable: sets jobs.cancel_requested_at/by (kept when set before), copies it to the live execution, writes
  // job_cancel_requested once. NOT_FOUND.
  virtual base::Task<absl::StatusOr<CancelOutcome>> request_cancel(JobId id, UserId by) = 0;

  // Lifecycle events in id order. The caller passes only an `upto` that a dispatcher announced as settled.
  virtual base::Task<absl::StatusOr<std::vector<JobEvent>>> events(EventQuery query) = 0;
  virtual base::Task<absl::StatusOr<ClusterMeta>> cluster() = 0;

  // gRPC addresses of bridges that hold a live lease, sorted, unique.
  virtual base::Task<absl::StatusOr<std::vector<std::string>>> bridge_addresses() = 0;
};

}  // namespace renderyard::ports
