// The statements of JobStore. Each is one transaction and one round trip, but for the wish to cancel.
#pragma once

#include "libs/common/adapters/postgres/columns_sql.h"
#include "libs/common/adapters/postgres/session.h"

namespace renderyard::postgres::sql {

// $1 token_sha256. Locks nothing. 0 or 1 row: id, name, role.
inline constexpr Statement kAuthenticate = {"authenticate", R"(
SELECT u.id, u.name, u.role
FROM api_tokens t JOIN users u ON u.id = t.user_id
WHERE t.token_sha256 = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
  AND u.disabled_at IS NULL)"};

// $1 uid, $2 job_type, $3 user, $4 priority, $5 name, $6 metadata, $7 workflow, $8 parameters, $9 estimate, $10
// needs_key, $11 wait limit in microseconds or null. The job is written before its event draws an id: the insert into
// job_events reads from the insert into jobs. Locks only what it makes. 1 row: id, uid, submitted_at.
#define RENDERYARD_SUBMIT_TAIL                                                        \
  "event AS (INSERT INTO job_events (job_id, seq, user_id, type, data)"               \
  " SELECT job.id, 1, job.submitted_by, 'job_submitted',"                             \
  " jsonb_build_object('job_type', job.job_type, 'priority', job.priority) FROM job)" \
  " SELECT job.id, job.uid, job.submitted_at FROM job"
inline constexpr Statement kSubmit = {"submit", R"(
WITH job AS (
  INSERT INTO jobs (uid, job_type, submitted_by, priority, name, metadata, workflow, parameters,
                    estimated_duration_secs, needs_key, wait_until, event_seq)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp() + $11::bigint * interval '1 microsecond', 1)
  RETURNING id, uid, submitted_at, submitted_by, job_type, priority),
)" RENDERYARD_SUBMIT_TAIL};

// As kSubmit with $12 key, $13 body_sha256: the key is taken first (waiting for whoever is just taking it); nothing is
// written when somebody has it. 0 rows: the key is taken, see kFindKey. 1 row as kSubmit.
inline constexpr Statement kSubmitWithKey = {"submit_with_key", R"(
WITH key AS (
  INSERT INTO idempotency_keys (user_id, key, body_sha256, job_id)
  VALUES ($3, $12, $13, nextval(pg_get_serial_sequence('jobs', 'id')))
  ON CONFLICT (user_id, key) DO NOTHING
  RETURNING job_id),
job AS (
  INSERT INTO jobs (id, uid, job_type, submitted_by, priority, name, metadata, workflow, parameters,
                    estimated_duration_secs, needs_key, wait_until, event_seq)
  SELECT key.job_id, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
    clock_timestamp() + $11::bigint * interval '1 microsecond', 1 FROM key
  RETURNING id, uid, submitted_at, submitted_by, job_type, priority),
)" RENDERYARD_SUBMIT_TAIL};

// $1 user, $2 key. 0 or 1 row: job id, uid, submitted_at, body_sha256.
inline constexpr Statement kFindKey = {"find_key", R"(
SELECT j.id, j.uid, j.submitted_at, k.body_sha256
FROM idempotency_keys k JOIN jobs j ON j.id = k.job_id
WHERE k.user_id = $1 AND k.key = $2)"};

// Progress is that of the job's execution while it lives; jobs are not written for progress. The waiting reason belongs
// to pending, unclaimed jobs; needs_key '' speaks for all groups.
#define RENDERYARD_JOB_COLUMNS(workflow, parameters, result, note, joins)                                          \
  "j.id, j.uid, j.job_type, j.status_id, j.submitted_by, j.worker_id, j.priority, " workflow ", " parameters       \
  ", "                                                                                                             \
  "j.name, j.metadata::text, " result                                                                              \
  ", j.error_code, j.error_message, j.error_details->>'node_id', "                                                 \
  "j.error_details->>'node_class', GREATEST(j.progress_percent, COALESCE(e.progress_percent, 0)), "                \
  "COALESCE(j.progress_message, CASE WHEN e.completed_at IS NULL THEN e.progress_message END), j.submitted_at, "   \
  "j.claimed_at, j.started_at, j.completed_at, j.cancel_requested_at, "                                            \
  "j.estimated_duration_secs, j.actual_duration_secs, j.retry_of_job_id, j.execution_id, j.attempt, j.event_seq, " \
  "CASE WHEN j.status_id = 1 AND j.claimed_at IS NULL THEN (SELECT g.reason FROM wait_groups g"                    \
  " WHERE g.needs_key IN (j.needs_key, '') ORDER BY g.needs_key DESC LIMIT 1) END, "                               \
  "CASE WHEN j.status_id = 2 AND e.status = 'running' THEN e.silent_since END, e.warnings::text, " note            \
  " FROM jobs j LEFT JOIN comfyui_executions e ON e.id = j.execution_id " joins
// The last note of an operator; only jobs that failed so have one.
#define RENDERYARD_LAST_NOTE                                                                               \
  "LEFT JOIN LATERAL (SELECT (a.data->>'ran')::boolean AS ran, a.who, a.why, a.at FROM operator_actions a" \
  " WHERE a.job_id = j.id AND a.action = 'note' ORDER BY a.id DESC LIMIT 1) n ON j.error_code = 'submission_unclear' "
#define RENDERYARD_WHOLE_JOB                                                                                          \
  "SELECT " RENDERYARD_JOB_COLUMNS("j.workflow", "j.parameters::text", "j.result::text", "n.ran, n.who, n.why, n.at", \
                                   RENDERYARD_LAST_NOTE)
#define RENDERYARD_LISTED_JOB \
  "SELECT " RENDERYARD_JOB_COLUMNS("''::text", "''::text", "NULL::text", "NULL::boolean, NULL, NULL, NULL", "")

// $1 id. 0 or 1 row.
inline constexpr Statement kGetJob = {"get_job", RENDERYARD_WHOLE_JOB "WHERE j.id = $1"};
// $1 uid.
inline constexpr Statement kGetJobByUid = {"get_job_by_uid", RENDERYARD_WHOLE_JOB "WHERE j.uid = $1"};

// $1 status or null, $2 cursor (id below), $3 limit, $4 offset[, $5 user]. By id, newest first.
inline constexpr Statement kListJobs = {
    "list_jobs", RENDERYARD_LISTED_JOB
    "WHERE ($1::bigint IS NULL OR j.status_id = $1) AND j.id < $2 ORDER BY j.id DESC LIMIT $3 OFFSET $4"};
inline constexpr Statement kListJobsOfUser = {
    "list_jobs_of_user", RENDERYARD_LISTED_JOB
    "WHERE j.submitted_by = $5 AND ($1::bigint IS NULL OR j.status_id = $1) AND j.id < $2"
    " ORDER BY j.id DESC LIMIT $3 OFFSET $4"};

// $1 job. By n.
inline constexpr Statement kOutputs = {"outputs", R"(
SELECT job_id, n, execution_id, node_id, kind, filename, content_type, size_bytes, sha256
FROM job_outputs WHERE job_id = $1 ORDER BY n)"};

// $1 job, $2 who or null. Locks the job. The wish is written once, the event only then; `moved` updates the row that
// `job` has locked, so it cannot lose a race. 1 row: the job's status before, and the execution to copy the wish to
// when there is one and the wish is new; 0 rows: no such job.
inline constexpr Statement kRecordWish = {"record_wish", R"(
WITH job AS (
  SELECT id, status_id, cancel_requested_at FROM jobs WHERE id = $1 FOR NO KEY UPDATE),
moved AS (
  UPDATE jobs j SET cancel_requested_at = clock_timestamp(), cancel_requested_by = $2, event_seq = j.event_seq + 1
  FROM job WHERE j.id = job.id AND job.status_id IN (1, 2) AND job.cancel_requested_at IS NULL
  RETURNING j.id, j.event_seq, j.submitted_by, j.execution_id),
event AS (
  INSERT INTO job_events (job_id, seq, user_id, type, execution_id, data)
  SELECT id, event_seq, submitted_by, 'job_cancel_requested', execution_id, jsonb_build_object('by', $2::bigint)
  FROM moved)
SELECT job.status_id, moved.execution_id FROM job LEFT JOIN moved ON moved.id = job.id)"};

// $1 execution. Second statement of the same transaction, because it needs a later snapshot: the execution may have
// been born in the very claim that kRecordWish waited for, and a statement does not see rows younger than itself. Locks
// the execution (after the job: the lock order). 0 or 1 row written.
inline constexpr Statement kCopyWish = {"copy_wish", R"(
UPDATE comfyui_executions SET cancel_requested_at = clock_timestamp()
WHERE id = $1 AND cancel_requested_at IS NULL AND status IN )" RENDERYARD_LIVE_STATES};

// $1 after, $2 upto, $3 limit[, $4 user]. In id order.
#define RENDERYARD_EVENTS "SELECT id, job_id, seq, user_id, type, execution_id, data::text, created_at FROM job_events "
inline constexpr Statement kEvents = {"events", RENDERYARD_EVENTS "WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3"};
inline constexpr Statement kEventsOfUser = {
    "events_of_user", RENDERYARD_EVENTS "WHERE user_id = $4 AND id > $1 AND id <= $2 ORDER BY id LIMIT $3"};

// 1 row.
inline constexpr Statement kCluster = {"cluster", "SELECT epoch, events_floor FROM cluster_meta"};

// Any number of rows: address.
inline constexpr Statement kBridgeAddresses = {"bridge_addresses", R"(
SELECT DISTINCT address FROM instance_leases
WHERE expires_at > clock_timestamp() AND address <> '' ORDER BY address)"};

}  // namespace renderyard::postgres::sql
