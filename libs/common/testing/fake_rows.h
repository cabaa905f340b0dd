// The rows of the fake database: what the ports show of a row plus the columns only the database knows.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/ports/instance_store.h"
#include "libs/common/ports/model.h"
#include "libs/common/ports/operator_store.h"

namespace renderyard::testing {

struct TokenRecord {
  ports::UserId user;
  bool revoked = false;
};

struct JobRecord {
  ports::JobRow row;  // waiting_reason stays empty here, it is computed on read
  std::string needs_key;
  std::optional<std::string> claimed_by;
  std::optional<ports::UserId> cancel_requested_by;
  std::optional<absl::Time> not_before;
  std::optional<absl::Time> wait_until;
  std::int64_t last_event_id = 0;  // bookkeeping of the fake: ids rise within a job, because its row is locked
};

struct ExecutionRecord {
  ports::ExecutionRow row;
  std::optional<std::string> result_json;
  std::optional<std::string> warnings_json;
  std::optional<std::string> progress_message;
  std::optional<absl::Time> silent_since;
  std::optional<absl::Time> adopted_at;
};

struct InstanceRecord {
  ports::InstanceRow row;  // lease_owner, header_names, live_executions stay empty here, they are computed on read
  std::vector<ports::SecretHeader> headers;  // by name
  std::optional<ports::KnownCapabilities> capabilities;
  std::optional<std::string> witness_prompt_id;
};

struct LeaseRecord {
  std::string owner;
  std::string address;
  ports::Epoch epoch;
  std::string lock;
  absl::Time expires_at;
};

struct IdempotencyRecord {
  std::string body_sha256;
  ports::JobId job;
};

using SlotKey = std::pair<ports::InstanceId, int>;
using OutputKey = std::pair<ports::ExecutionId, int>;

struct FakeTables {
  std::map<ports::UserId, ports::User> users;
  std::map<std::string, TokenRecord> tokens;  // by token_sha256
  std::map<ports::JobId, JobRecord> jobs;
  std::map<ports::ExecutionId, ExecutionRecord> executions;
  std::map<ports::InstanceId, InstanceRecord> instances;
  std::map<SlotKey, std::optional<ports::ExecutionId>> slots;
  std::map<ports::InstanceId, LeaseRecord> leases;
  std::map<std::int64_t, ports::JobEvent> events;
  std::map<std::pair<ports::UserId, std::string>, IdempotencyRecord> idempotency_keys;
  std::map<OutputKey, ports::OutputRow> outputs;
  std::map<std::string, std::int64_t> blobs;  // sha256 -> size; referenced content
  std::map<std::int64_t, ports::OperatorRecord> operator_actions;
  std::map<ports::JobId, ports::OperatorNote> operator_notes;  // the last one of each job
  std::string waiting_reason;                                  // empty = nothing waits
  ports::ClusterMeta meta;
};

}  // namespace renderyard::testing
