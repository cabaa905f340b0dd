// The rows and messages that cross ports: plain values, no behaviour. Times are absl::Time of the database's clock
// unless said otherwise; texts are UTF-8 without NUL.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/ids.h"
#include "libs/common/domain/circuit.h"
#include "libs/common/domain/quarantine.h"
#include "libs/common/domain/states.h"

namespace renderyard::ports {

using base::Epoch;
using base::ExecutionId;
using base::InstanceId;
using base::JobId;
using base::UserId;
using domain::ExecutionState;
using domain::InstanceStatus;
using domain::JobStatus;

enum class Role { kUser, kAdmin };

struct User {
  UserId id;
  std::string name;
  Role role = Role::kUser;
};

struct JobError {
  std::string code;  // domain::code::…
  std::string message;
  std::string node_id;
  std::string node_class;
};

// What really happened to a job that failed as submission_unclear, as an operator found out.
struct OperatorNote {
  bool ran = false;
  std::string who;
  std::string why;
  absl::Time at;
};

struct JobRow {
  JobId id;
  std::string uid;  // canonical lowercase UUID
  std::string job_type;
  JobStatus status = JobStatus::kPending;
  UserId submitted_by;
  std::optional<InstanceId> worker_id;
  int priority = 0;
  std::string workflow;         // the text the user sent
  std::string parameters_json;  // everything else of `parameters`, a JSON object
  std::optional<std::string> name;
  std::optional<std::string> metadata_json;
  std::optional<std::string> result_json;
  std::optional<JobError> error;
  int progress_percent = 0;
  std::optional<std::string> progress_message;  // why a running job does not come to its end
  absl::Time submitted_at;
  std::optional<absl::Time> claimed_at, started_at, completed_at, cancel_requested_at;
  std::optional<int> estimated_duration_secs, actual_duration_secs;
  std::optional<JobId> retry_of_job_id;
  std::optional<ExecutionId> execution_id;
  int attempt = 0;
  int event_seq = 0;
  std::optional<std::string> waiting_reason;  // pending jobs only, from wait_groups
  std::optional<absl::Time> silent_since;     // running jobs only: nothing has been heard of the prompt since then
  // What it is not told as an error for: a JSON array of {code, message, node_id, node_class} (domain::loss_json()).
  std::optional<std::string> warnings_json;
  std::optional<OperatorNote> operator_note;  // the last one; not in lists
};

// A lifecycle event: durable, numbered. id is the position within the database's epoch, seq the gap-free number per
// job.
struct JobEvent {
  std::int64_t id = 0;
  JobId job_id;
  int seq = 0;
  UserId user_id;
  std::string type;  // job_submitted, job_claimed, job_started, job_requeued, job_cancel_requested, job_completed, …
  std::optional<ExecutionId> execution_id;
  std::string data_json;  // a JSON object, merged into the message clients get
  absl::Time created_at;
};

// Names of the lifecycle events, once.
namespace event_type {
inline constexpr char kSubmitted[] = "job_submitted";
inline constexpr char kClaimed[] = "job_claimed";
inline constexpr char kStarted[] = "job_started";
inline constexpr char kRequeued[] = "job_requeued";
inline constexpr char kCancelRequested[] = "job_cancel_requested";
inline constexpr char kCompleted[] = "job_completed";
inline constexpr char kFailed[] = "job_failed";
inline constexpr char kCancelled[] = "job_cancelled";
}  // namespace event_type

struct ClusterMeta {
  std::string epoch;              // uuid; changes when the database was restored
  std::int64_t events_floor = 0;  // events with id <= floor are gone
};

struct OutputRow {
  JobId job_id;
  int n = 0;  // 0-based, in the order of nodes and files
  ExecutionId execution_id;
  std::string node_id;
  std::string kind;  // images, gifs, audio, …
  std::string filename;
  std::string content_type;
  std::int64_t size_bytes = 0;
  std::string sha256;  // 64 lowercase hex digits
};

struct ExecutionRow {
  ExecutionId id;
  InstanceId instance_id;
  JobId job_id;
  UserId user_id;
  int attempt = 0;
  int slot_no = 0;
  ExecutionState state = ExecutionState::kAssigned;
  std::string client_prompt_id;                  // the id we chose, canonical UUID
  std::optional<std::string> comfyui_prompt_id;  // the id the server uses, known from its answer
  std::optional<std::string> client_id;          // the WebSocket client id it was (or would be) posted with
  std::optional<Epoch> owner_epoch;
  std::optional<std::string> outcome_proof;
  std::optional<absl::Time> cancel_requested_at;
  std::optional<std::string> heard_end;  // success | error | interrupted, as the socket said
  std::optional<std::string>
      heard_outputs;         // JSON object node id -> output, from `executed` (collecting: from history)
  bool heard_whole = false;  // heard_outputs were heard without a gap, from start to end
  std::optional<absl::Time> prompt_ended_at;     // by the ComfyUI server's clock; to the millisecond
  std::optional<std::string> witness_prompt_id;  // known to be in the server's history before this was sent
  int progress_percent = 0;
  std::optional<std::string> current_node;
  std::optional<JobError> error;
  int adoptions = 0;
  absl::Time assigned_at;
  std::optional<absl::Time> submitted_at, accepted_at, started_at, ended_at, completed_at, settled_at;
  std::optional<absl::Time> last_sign_at;   // a message of its prompt was last heard
  std::optional<std::string> limit_passed;  // domain::code::kLimitRun or kLimitSilence: it is being stopped for it
  absl::Time read_at;                       // the database's clock when this row was read
  int adoption_run = 0;                   // adoptions in quick succession (domain::kAdoptionGapSecs), the last included
  std::optional<absl::Time> given_up_at;  // by an operator, while its prompt may have been at the instance
  // It was given up while its prompt was still at the instance, and what became of that.
  std::optional<absl::Time> stray_seen_at;
  std::optional<std::string> stray_outcome;  // completed | failed | interrupted | vanished
};

// A header that is sent with every request to one server. The value is a secret: never logged, never answered.
struct SecretHeader {
  std::string name;
  std::string value;

  friend bool operator==(const SecretHeader&, const SecretHeader&) = default;
};

struct InstanceRow {
  InstanceId id;
  std::string name;
  std::string api_url;  // normalised, no trailing slash
  std::string ws_url;
  InstanceStatus status = InstanceStatus::kDisconnected;
  bool is_enabled = true;
  int slots = 1;
  int reconnect_attempts = 0;
  std::optional<std::string> status_reason;
  std::optional<absl::Time> last_connected_at, last_disconnected_at, removed_at;
  std::optional<std::string> lease_owner;
  std::optional<std::string> witness_prompt_id;  // the last prompt seen finished there
  bool is_draining = false;                      // no new work; what lives there ends there
  bool behind_proxy = false;                     // absence of a prompt is never proof that it will not appear
  bool unique_prefix = true;                     // filename_prefix is made unique per execution
  bool shared_instance = false;                  // others use it: no interrupt that might hit their prompts
  std::int64_t config_version = 1;               // raised by every change of an operator
  bool has_access = false;
  std::vector<std::string> header_names;  // of the access, sorted; the values are read by ExecutionStore::access()
  int live_executions = 0;
  // No new work; all three or none.
  std::optional<absl::Time> quarantined_at;
  std::optional<domain::Quarantine> quarantine;
  std::optional<ExecutionId> quarantined_by;  // whose prompt it is about
  domain::Circuit circuit;
  int circuit_version = 0;  // raised by operators: what the bridge counted before that is void
};

// Ephemeral: may be coalesced, never numbered. Sent by bridges, merged by gateways.
struct Progress {
  JobId job_id;
  UserId user_id;
  ExecutionId execution_id;
  Epoch owner_epoch;
  InstanceId instance_id;
  int percent = 0;
  std::string current_node;  // id as in the workflow; empty when none
  std::string node_class;
  std::string node_title;
  std::string message;                     // why it does not come to its end; empty when nothing is known to hold it up
  std::optional<absl::Time> silent_since;  // it runs, and has not been heard of since then
  absl::Time at;                           // wall clock of the bridge, as silent_since
};

}  // namespace renderyard::ports
