// The statements of DispatchStore. Each is one transaction and one round trip; times are the database's clock. Lock
// order everywhere: job, execution, slot; the claim begins with slots because it never waits.
//
// In a statement with several writing CTEs all parts see the snapshot of its beginning; a row that was locked first
// (FOR UPDATE, after a wait its newest version) is updated in its newest version, because UPDATE follows it there.
#pragma once

#include "libs/common/adapters/postgres/columns_sql.h"
#include "libs/common/adapters/postgres/session.h"

namespace renderyard::postgres::sql {

// An instance that operators let have work, and one that may get it now: also not in quarantine, circuit not
// open, connected or polling, leased.
#define RENDERYARD_IN_SERVICE " i.is_enabled AND i.removed_at IS NULL AND NOT i.is_draining"
#define RENDERYARD_USABLE                                                                                 \
  RENDERYARD_IN_SERVICE                                                                                   \
  " AND i.quarantined_at IS NULL"                                                                         \
  " AND (i.circuit_open_until IS NULL OR i.circuit_open_until <= clock_timestamp())"                      \
  " AND i.status_id IN (SELECT id FROM comfyui_instance_statuses WHERE name IN ('connected', 'polling'))" \
  " AND EXISTS (SELECT FROM instance_leases l WHERE l.instance_id = i.id AND l.expires_at > clock_timestamp())"

// Where names of files are common to prompts, one may write over another's before it is copied: there is the first slot
// alone.
#define RENDERYARD_SLOTS "(CASE WHEN i.unique_prefix THEN i.slots ELSE 1 END)"

// While a circuit is half-open, the first slot alone is free, and only when no other is in use: one execution goes
// through. At least one row, by instance and slot: instances enabled, instances usable, a free slot (NULLs when there
// is none).
inline constexpr Statement kFleet = {"fleet", R"(
WITH usable AS (
  SELECT i.id, )" RENDERYARD_SLOTS R"( AS slots, i.circuit_open_until IS NOT NULL AS half_open
  FROM comfyui_instances i WHERE )" RENDERYARD_USABLE R"(),
free AS (
  SELECT s.instance_id, s.slot_no FROM instance_slots s JOIN usable ON usable.id = s.instance_id
  WHERE s.execution_id IS NULL AND s.slot_no < usable.slots AND (NOT usable.half_open OR (s.slot_no = 0 AND NOT EXISTS (
    SELECT FROM instance_slots o WHERE o.instance_id = s.instance_id AND o.execution_id IS NOT NULL))))
SELECT size.enabled, size.usable, free.instance_id, free.slot_no
FROM (SELECT (SELECT count(*) FROM comfyui_instances i WHERE )" RENDERYARD_IN_SERVICE R"() AS enabled,
             (SELECT count(*) FROM usable) AS usable) AS size LEFT JOIN free ON true
ORDER BY free.instance_id, free.slot_no)"};

// $1 limit. In the order of the waiting line: id, user, priority, needs_key.
inline constexpr Statement kCandidates = {"candidates", R"(
SELECT id, submitted_by, priority, needs_key FROM jobs
WHERE status_id = 1 AND claimed_at IS NULL AND cancel_requested_at IS NULL
  AND (not_before IS NULL OR not_before <= clock_timestamp()) AND (wait_until IS NULL OR wait_until > clock_timestamp())
ORDER BY priority DESC, submitted_at, id LIMIT $1)"};

// $1 job ids, $2 instance ids, $3 slot numbers, $4 prompt ids (same length), $5 claimed_by.
// Takes slots and jobs with SKIP LOCKED, so it never waits; after the lock both are looked at in their newest version.
// One commit for the batch. Rows: execution, job, instance, bridge address or ''.
inline constexpr Statement kClaim = {"claim", R"(
WITH wanted AS (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::uuid[]) WITH ORDINALITY
    AS w (job_id, instance_id, slot_no, prompt_id, n)),
slot AS (
  SELECT s.instance_id, s.slot_no FROM instance_slots s JOIN comfyui_instances i ON i.id = s.instance_id
  WHERE (s.instance_id, s.slot_no) IN (SELECT w.instance_id, w.slot_no FROM wanted w) AND s.execution_id IS NULL
    AND s.slot_no < )" RENDERYARD_SLOTS R"( AND )" RENDERYARD_IN_SERVICE R"(
  FOR UPDATE OF s SKIP LOCKED),
job AS (
  SELECT j.id, j.submitted_by, j.attempt + 1 AS attempt FROM jobs j
  WHERE j.id = ANY ($1::bigint[]) AND j.status_id = 1 AND j.claimed_at IS NULL AND j.cancel_requested_at IS NULL
    AND (j.not_before IS NULL OR j.not_before <= clock_timestamp())
    AND (j.wait_until IS NULL OR j.wait_until > clock_timestamp())
  FOR UPDATE SKIP LOCKED),
execution AS (
  INSERT INTO comfyui_executions (instance_id, platform_job_id, user_id, attempt, slot_no, client_prompt_id)
  SELECT w.instance_id, job.id, job.submitted_by, job.attempt, w.slot_no, w.prompt_id
  FROM wanted w JOIN slot USING (instance_id, slot_no) JOIN job ON job.id = w.job_id
  ORDER BY w.n
  RETURNING id, platform_job_id, instance_id, slot_no, attempt),
occupied AS (
  UPDATE instance_slots s SET execution_id = x.id
  FROM execution x WHERE s.instance_id = x.instance_id AND s.slot_no = x.slot_no),
claimed AS (
  UPDATE jobs j SET claimed_at = clock_timestamp(), claimed_by = $5, worker_id = x.instance_id, execution_id = x.id,
    attempt = x.attempt, not_before = NULL, event_seq = j.event_seq + 1
  FROM execution x WHERE j.id = x.platform_job_id
  RETURNING j.id, j.event_seq, j.submitted_by, j.execution_id, j.attempt, j.worker_id),
event AS (
  INSERT INTO job_events (job_id, seq, user_id, type, execution_id, data)
  SELECT id, event_seq, submitted_by, 'job_claimed', execution_id,
    jsonb_build_object('attempt', attempt, 'instance_id', worker_id)
  FROM claimed)
SELECT c.execution_id, c.id, c.worker_id, COALESCE(l.address, '')
FROM claimed c LEFT JOIN instance_leases l ON l.instance_id = c.worker_id AND l.expires_at > clock_timestamp()
ORDER BY c.execution_id)"};

// $1 age in microseconds, $2 limit. Oldest first: execution, job.
inline constexpr Statement kStaleAssigned = {"stale_assigned", R"(
SELECT e.id, e.platform_job_id FROM comfyui_executions e JOIN jobs j ON j.id = e.platform_job_id
WHERE e.status = 'assigned'
  AND (e.assigned_at <= clock_timestamp() - $1::bigint * interval '1 microsecond' OR j.cancel_requested_at IS NOT NULL)
ORDER BY e.assigned_at, e.id LIMIT $2)"};

// $1 execution, $2 reason. Locks the job (waits), then the execution, then the slot. Only an execution that is still
// assigned in its newest version moves: the bridge's start waits for us or we for it, and one of us finds 0 rows.
// 1 row when moved: job; 0 rows otherwise.
inline constexpr Statement kWithdraw = {"withdraw", R"(
WITH job AS (
  SELECT id FROM jobs WHERE execution_id = $1 AND status_id = 1 FOR NO KEY UPDATE),
execution AS (
  UPDATE comfyui_executions e SET status = 'withdrawn', ended_at = clock_timestamp(),
    completed_at = clock_timestamp(), settled_at = clock_timestamp()
  FROM job WHERE e.id = $1 AND e.platform_job_id = job.id AND e.status = 'assigned'
  RETURNING e.id, e.platform_job_id, e.instance_id, e.slot_no),
slot AS (
  UPDATE instance_slots s SET execution_id = NULL
  FROM execution x WHERE s.instance_id = x.instance_id AND s.slot_no = x.slot_no AND s.execution_id = x.id),
moved AS (
  UPDATE jobs j SET event_seq = j.event_seq + 1,
    claimed_at = CASE WHEN j.cancel_requested_at IS NOT NULL THEN j.claimed_at END,
    claimed_by = CASE WHEN j.cancel_requested_at IS NOT NULL THEN j.claimed_by END,
    worker_id = CASE WHEN j.cancel_requested_at IS NOT NULL THEN j.worker_id END,
    execution_id = CASE WHEN j.cancel_requested_at IS NOT NULL THEN j.execution_id END,
    status_id = CASE WHEN j.cancel_requested_at IS NOT NULL THEN 5 ELSE 1 END,
    completed_at = CASE WHEN j.cancel_requested_at IS NOT NULL THEN clock_timestamp() END
  FROM execution x WHERE j.id = x.platform_job_id
  RETURNING j.id, j.event_seq, j.submitted_by, j.status_id, x.id AS execution_id),
event AS (
  INSERT INTO job_events (job_id, seq, user_id, type, execution_id, data)
  SELECT id, event_seq, submitted_by, CASE status_id WHEN 1 THEN 'job_requeued' ELSE 'job_cancelled' END, execution_id,
    CASE status_id WHEN 1 THEN jsonb_build_object('reason', $2::text) ELSE '{}' END
  FROM moved)
SELECT id FROM moved)"};

// $1 age in microseconds, $2 limit. Oldest first: execution columns, job status, job's wish, earlier not accepted ones,
// result. Two small indexes feed it: final and not settled; claimed jobs that were not told of a start.
inline constexpr Statement kUnsettled = {"unsettled", "SELECT " RENDERYARD_EXECUTION_COLUMNS R"(,
  j.status_id, j.cancel_requested_at IS NOT NULL,
  (SELECT count(*) FROM comfyui_executions b
   WHERE b.platform_job_id = e.platform_job_id AND b.id < e.id AND b.status = 'not_accepted'
     AND b.outcome_proof IS DISTINCT FROM 'connect_failed'),
  e.result::text
FROM comfyui_executions e JOIN jobs j ON j.id = e.platform_job_id
WHERE e.id IN (
  SELECT f.id FROM comfyui_executions f
  WHERE f.settled_at IS NULL AND f.status IN )" RENDERYARD_FINAL_STATES R"(
    AND f.ended_at <= clock_timestamp() - $1::bigint * interval '1 microsecond'
  UNION ALL
  SELECT r.id FROM jobs p JOIN comfyui_executions r ON r.id = p.execution_id
  WHERE p.status_id = 1 AND p.claimed_at IS NOT NULL AND r.status IN ('running', 'collecting')
    AND r.started_at <= clock_timestamp() - $1::bigint * interval '1 microsecond')
ORDER BY e.id LIMIT $2)"};

// Arrays of one length: $1 executions, $2 jobs, $3 kinds (start complete fail cancel requeue), $4 error codes, $5 error
// messages, $6 node ids, $7 node classes, $8 reasons, $9 pauses in microseconds.
// Locks jobs in id order with SKIP LOCKED, then their executions in id order. What the execution's state does not allow
// is left out: only an execution that was not accepted lets its job wait again. A pending job whose execution had
// started gets job_started before its end. Rows: jobs applied, by id.
inline constexpr Statement kSettle = {"settle", R"(
WITH wanted AS (
  SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                       $9::bigint[])
    AS w (execution_id, job_id, kind, error_code, error_message, node_id, node_class, reason, pause)),
job AS (
  SELECT j.id, j.status_id, w.execution_id, w.kind, w.error_code, w.error_message, w.node_id, w.node_class, w.reason,
    w.pause
  FROM jobs j JOIN wanted w ON w.job_id = j.id
  WHERE j.execution_id = w.execution_id
    AND (j.status_id = 1 OR (j.status_id = 2 AND w.kind IN ('complete', 'fail', 'cancel')))
  ORDER BY j.id FOR NO KEY UPDATE OF j SKIP LOCKED),
execution AS (
  SELECT job.*, e.status, e.started_at, e.result, e.progress_percent, e.warnings, clock_timestamp() AS now
  FROM comfyui_executions e JOIN job ON job.execution_id = e.id
  WHERE e.settled_at IS NULL AND CASE job.kind
    WHEN 'start'    THEN e.started_at IS NOT NULL
    WHEN 'complete' THEN e.status = 'completed'
    WHEN 'requeue'  THEN e.status = 'not_accepted' AND job.status_id = 1
    ELSE e.completed_at IS NOT NULL
  END
  ORDER BY e.id FOR NO KEY UPDATE OF e),
told AS (
  UPDATE comfyui_executions e SET settled_at = clock_timestamp()
  FROM execution x WHERE e.id = x.execution_id AND x.kind <> 'start'),
moved AS (
  UPDATE jobs j SET
    status_id = CASE x.kind WHEN 'start' THEN 2 WHEN 'complete' THEN 3 WHEN 'fail' THEN 4 WHEN 'cancel' THEN 5 ELSE 1 END,
    started_at = CASE WHEN x.kind = 'requeue' THEN NULL ELSE COALESCE(j.started_at, x.started_at) END,
    completed_at = CASE WHEN x.kind IN ('complete', 'fail', 'cancel') THEN x.now END,
    actual_duration_secs = CASE
      WHEN x.kind IN ('complete', 'fail', 'cancel') AND COALESCE(j.started_at, x.started_at) IS NOT NULL THEN
      GREATEST(0, floor(extract(epoch FROM x.now - COALESCE(j.started_at, x.started_at)))) END::integer,
    progress_percent = CASE x.kind WHEN 'complete' THEN 100 WHEN 'requeue' THEN 0 ELSE x.progress_percent END,
    result = CASE x.kind WHEN 'complete' THEN x.result ELSE j.result END,
    error_code = CASE x.kind WHEN 'fail' THEN x.error_code END,
    error_message = CASE x.kind WHEN 'fail' THEN x.error_message END,
    error_details = CASE x.kind WHEN 'fail' THEN jsonb_build_object('node_id', x.node_id, 'node_class', x.node_class) END,
    claimed_at = CASE x.kind WHEN 'requeue' THEN NULL ELSE j.claimed_at END,
    claimed_by = CASE x.kind WHEN 'requeue' THEN NULL ELSE j.claimed_by END,
    worker_id = CASE x.kind WHEN 'requeue' THEN NULL ELSE j.worker_id END,
    execution_id = CASE x.kind WHEN 'requeue' THEN NULL ELSE j.execution_id END,
    not_before = CASE x.kind WHEN 'requeue' THEN x.now + x.pause * interval '1 microsecond' END,
    event_seq = j.event_seq + CASE WHEN x.status_id = 1 AND x.started_at IS NOT NULL
      AND x.kind IN ('complete', 'fail', 'cancel') THEN 2 ELSE 1 END
  FROM execution x WHERE j.id = x.id
  RETURNING j.id, j.event_seq, j.submitted_by, j.actual_duration_secs, j.error_code, j.error_message, j.error_details,
    x.execution_id, x.kind, x.reason, x.status_id AS status_before, x.started_at,
    jsonb_strip_nulls(jsonb_build_object('warnings', x.warnings)) AS warned),
event AS (
  INSERT INTO job_events (job_id, seq, user_id, type, execution_id, data)
  SELECT id, seq, submitted_by, type, execution_id, data FROM (
    SELECT m.id, m.event_seq - 1 AS seq, m.submitted_by, 'job_started' AS type, m.execution_id, m.warned AS data
    FROM moved m
    WHERE m.status_before = 1 AND m.started_at IS NOT NULL AND m.kind IN ('complete', 'fail', 'cancel')
    UNION ALL
    SELECT m.id, m.event_seq, m.submitted_by,
      CASE m.kind WHEN 'start' THEN 'job_started' WHEN 'complete' THEN 'job_completed' WHEN 'fail' THEN 'job_failed'
        WHEN 'cancel' THEN 'job_cancelled' ELSE 'job_requeued' END,
      m.execution_id,
      CASE m.kind
        WHEN 'start' THEN m.warned
        WHEN 'complete' THEN jsonb_build_object('actual_duration_secs', m.actual_duration_secs) || m.warned
        WHEN 'fail' THEN jsonb_build_object('error', jsonb_strip_nulls(jsonb_build_object(
          'code', m.error_code, 'message', m.error_message,
          'node_id', NULLIF(m.error_details->>'node_id', ''), 'node_class', NULLIF(m.error_details->>'node_class', ''))))
        WHEN 'requeue' THEN jsonb_build_object('reason', m.reason)
        ELSE '{}' END
    FROM moved m) AS e
  ORDER BY id, seq)
SELECT id FROM moved ORDER BY id)"};

// $1 limit. Locks jobs in id order, SKIP LOCKED. 1 row: how many.
inline constexpr Statement kCancelWished = {"cancel_wished", R"(
WITH job AS (
  SELECT id FROM jobs WHERE status_id = 1 AND claimed_at IS NULL AND cancel_requested_at IS NOT NULL
  ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED),
moved AS (
  UPDATE jobs j SET status_id = 5, completed_at = clock_timestamp(), event_seq = j.event_seq + 1
  FROM job WHERE j.id = job.id
  RETURNING j.id, j.event_seq, j.submitted_by),
event AS (
  INSERT INTO job_events (job_id, seq, user_id, type) SELECT id, event_seq, submitted_by, 'job_cancelled' FROM moved)
SELECT count(*) FROM moved)"};

// $1 error code, $2 message, $3 limit. As kCancelWished; a wish to cancel goes first. 1 row: how many.
inline constexpr Statement kFailWaited = {"fail_waited", R"(
WITH job AS (
  SELECT id FROM jobs
  WHERE status_id = 1 AND claimed_at IS NULL AND wait_until <= clock_timestamp() AND cancel_requested_at IS NULL
  ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED),
moved AS (
  UPDATE jobs j SET status_id = 4, completed_at = clock_timestamp(), event_seq = j.event_seq + 1, error_code = $1,
    error_message = $2
  FROM job WHERE j.id = job.id
  RETURNING j.id, j.event_seq, j.submitted_by),
event AS (
  INSERT INTO job_events (job_id, seq, user_id, type, data)
  SELECT id, event_seq, submitted_by, 'job_failed',
    jsonb_build_object('error', jsonb_build_object('code', $1::text, 'message', $2::text)) FROM moved)
SELECT count(*) FROM moved)"};

// $1 reason, '' = nothing waits. Writes only what changes. The two parts never touch the same row.
inline constexpr Statement kSetWaitingReason = {"set_waiting_reason", R"(
WITH gone AS (
  DELETE FROM wait_groups WHERE needs_key <> '' OR $1 = '')
INSERT INTO wait_groups (needs_key, reason) SELECT '', $1 WHERE $1 <> ''
ON CONFLICT (needs_key) DO UPDATE SET reason = excluded.reason, since = clock_timestamp()
WHERE wait_groups.reason <> excluded.reason)"};

}  // namespace renderyard::postgres::sql
