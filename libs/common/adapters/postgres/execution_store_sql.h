// The statements of ExecutionStore. Each is one transaction and one round trip, but for taking leases over. Every write
// to an execution has the lease epoch and the expected states in the WHERE of that very row: a fence by subquery is
// none under READ COMMITTED, since it is answered from the snapshot and not looked at again after a lock wait.
#pragma once

#include "libs/common/adapters/postgres/columns_sql.h"
#include "libs/common/adapters/postgres/session.h"

namespace renderyard::postgres::sql {

// An instance that must be driven: in service, or out of it with executions to follow to their end. Alias i.
#define RENDERYARD_TO_BE_DRIVEN                                                          \
  "((i.is_enabled AND i.removed_at IS NULL) OR EXISTS (SELECT FROM comfyui_executions x" \
  " WHERE x.instance_id = i.id AND x.status IN " RENDERYARD_LIVE_STATES "))"

// $1 owner, $2 address, $3 ttl in microseconds, $4 lock. Locks leases in id order; waits for transactions that hold one
// FOR KEY SHARE (kStart). Rows: instance, epoch, owner before, its lock.
inline constexpr Statement kReclaim = {"reclaim", R"(
WITH held AS (
  SELECT l.instance_id FROM instance_leases l JOIN comfyui_instances i ON i.id = l.instance_id
  WHERE l.owner = $1 AND )" RENDERYARD_TO_BE_DRIVEN R"(
  ORDER BY l.instance_id FOR UPDATE OF l)
UPDATE instance_leases l SET address = $2, epoch = l.epoch + 1, previous_owner = l.owner,
  previous_lock = l.lock, lock = $4, expires_at = clock_timestamp() + $3::bigint * interval '1 microsecond'
FROM held WHERE l.instance_id = held.instance_id AND l.owner = $1
RETURNING l.instance_id, l.epoch, l.previous_owner, l.previous_lock)"};

// $1 owner, $2 address, $3 ttl in microseconds, $4 lock, $5 limit. As kReclaim for leases that are absent or have
// expired; whether one has is asked again in the newest version of its row.
inline constexpr Statement kAcquire = {"acquire", R"(
INSERT INTO instance_leases (instance_id, owner, address, epoch, expires_at, lock)
SELECT i.id, $1, $2, 1, clock_timestamp() + $3::bigint * interval '1 microsecond', $4
FROM comfyui_instances i LEFT JOIN instance_leases l ON l.instance_id = i.id
WHERE (l.instance_id IS NULL OR l.expires_at <= clock_timestamp()) AND )" RENDERYARD_TO_BE_DRIVEN R"(
ORDER BY i.id LIMIT $5
ON CONFLICT (instance_id) DO UPDATE SET previous_owner = instance_leases.owner, owner = excluded.owner,
  previous_lock = instance_leases.lock, lock = excluded.lock, address = excluded.address, epoch = instance_leases.epoch + 1, expires_at = excluded.expires_at
WHERE instance_leases.expires_at <= clock_timestamp()
RETURNING instance_id, epoch, COALESCE(previous_owner, ''), previous_lock)"};

// $1 instances, $2 their new epochs, $3 microseconds between two adoptions of one run at most. The second statement of
// the transaction of kReclaim and kAcquire: it needs a snapshot younger than the wait for the leases, or it would miss
// an execution that was started under the old epoch meanwhile. Locks executions in id order.
inline constexpr Statement kRestamp = {"restamp", R"(
WITH execution AS (
  SELECT e.id, w.epoch FROM comfyui_executions e
  JOIN unnest($1::bigint[], $2::bigint[]) AS w (instance_id, epoch) ON w.instance_id = e.instance_id
  WHERE e.status IN ('submitting', 'queued', 'running', 'collecting')
  ORDER BY e.id FOR NO KEY UPDATE OF e)
UPDATE comfyui_executions e SET owner_epoch = x.epoch, adoptions = e.adoptions + 1, adopted_at = clock_timestamp(),
  adoption_run = CASE WHEN e.adopted_at > clock_timestamp() - $3::bigint * interval '1 microsecond'
                      THEN e.adoption_run + 1 ELSE 1 END
FROM execution x WHERE e.id = x.id)"};

// $1 owner, $2 address, $3 ttl in microseconds, $4 instances, $5 epochs. Rows: instances that are still ours.
inline constexpr Statement kRenew = {"renew", R"(
WITH held AS (
  SELECT l.instance_id FROM instance_leases l
  JOIN unnest($4::bigint[], $5::bigint[]) AS w (instance_id, epoch) ON w.instance_id = l.instance_id
  WHERE l.owner = $1 AND l.epoch = w.epoch
  ORDER BY l.instance_id FOR NO KEY UPDATE OF l)
UPDATE instance_leases l SET address = $2, expires_at = clock_timestamp() + $3::bigint * interval '1 microsecond'
FROM held WHERE l.instance_id = held.instance_id
RETURNING l.instance_id)"};

// $1 instances, $2 epochs, $3 age in microseconds, $4 longest run that ends. Locks executions in id order.
inline constexpr Statement kOutlived = {"outlived", R"(
WITH execution AS (
  SELECT e.id FROM comfyui_executions e
  JOIN unnest($1::bigint[], $2::bigint[]) AS w (instance_id, epoch) ON w.instance_id = e.instance_id
  WHERE e.status IN )" RENDERYARD_LIVE_STATES R"( AND e.owner_epoch = w.epoch AND e.adoption_run BETWEEN 1 AND $4
    AND e.adopted_at <= clock_timestamp() - $3::bigint * interval '1 microsecond'
  ORDER BY e.id FOR NO KEY UPDATE OF e)
UPDATE comfyui_executions e SET adoption_run = 0 FROM execution x WHERE e.id = x.id)"};

// $1 instances, $2 epochs. The owner's name stays, as the next one's previous_owner.
inline constexpr Statement kRelease = {"release", R"(
WITH held AS (
  SELECT l.instance_id FROM instance_leases l
  JOIN unnest($1::bigint[], $2::bigint[]) AS w (instance_id, epoch) ON w.instance_id = l.instance_id
  WHERE l.epoch = w.epoch
  ORDER BY l.instance_id FOR NO KEY UPDATE OF l)
UPDATE instance_leases l SET expires_at = clock_timestamp() FROM held
WHERE l.instance_id = held.instance_id AND l.expires_at > clock_timestamp())"};

// $1 instances. Free slots that are too many. Never waits.
inline constexpr Statement kDropSlots = {"drop_slots", R"(
DELETE FROM instance_slots WHERE (instance_id, slot_no) IN (
  SELECT s.instance_id, s.slot_no FROM instance_slots s JOIN comfyui_instances i ON i.id = s.instance_id
  WHERE s.instance_id = ANY ($1::bigint[]) AND s.slot_no >= i.slots AND s.execution_id IS NULL
  FOR UPDATE OF s SKIP LOCKED))"};

// $1 instances. Of those that were removed and are empty.
inline constexpr Statement kForgetRemovedAccess = {"forget_removed_access", R"(
DELETE FROM instance_access a USING comfyui_instances i
WHERE i.id = a.instance_id AND a.instance_id = ANY ($1::bigint[]) AND i.removed_at IS NOT NULL AND NOT EXISTS (
  SELECT FROM comfyui_executions x WHERE x.instance_id = i.id AND x.status IN )" RENDERYARD_LIVE_STATES ")"};

// $1 instance. By name.
inline constexpr Statement kAccess = {
    "access", R"(SELECT name, value FROM instance_access WHERE instance_id = $1 ORDER BY name COLLATE "C")"};

// $1 instances. By id.
inline constexpr Statement kInstances = {"instances", "SELECT " RENDERYARD_INSTANCE_COLUMNS_PLAIN R"(
FROM comfyui_instances i)" RENDERYARD_INSTANCE_JOINS " WHERE i.id = ANY ($1::bigint[]) ORDER BY i.id"};

// $1 owner, $2 known executions. By id. Each part has a small index of its own.
inline constexpr Statement kNews = {"news", "SELECT " RENDERYARD_EXECUTION_COLUMNS R"( FROM (
  SELECT x.* FROM instance_leases l JOIN comfyui_executions x ON x.instance_id = l.instance_id
  WHERE l.owner = $1 AND x.status IN )" RENDERYARD_LIVE_STATES R"(
    AND (x.cancel_requested_at IS NOT NULL OR x.id <> ALL ($2::bigint[]))
  UNION ALL
  SELECT x.* FROM instance_leases l JOIN comfyui_executions x ON x.instance_id = l.instance_id
  WHERE l.owner = $1 AND x.given_up_at IS NOT NULL AND x.stray_seen_at IS NULL
  UNION ALL
  SELECT x.* FROM instance_leases l JOIN comfyui_executions x ON x.instance_id = l.instance_id
  WHERE l.owner = $1 AND x.status IN ('not_accepted', 'lost') AND x.outcome_proof IN ('absent_strong', 'unclear')
    AND x.stray_seen_at IS NULL AND x.given_up_at IS NULL) e
ORDER BY e.id)"};

// $1 execution. 0 or 1 row.
inline constexpr Statement kRead = {
    "read_execution", "SELECT " RENDERYARD_EXECUTION_COLUMNS " FROM comfyui_executions e WHERE e.id = $1"};

// Aliases e, j. ports::StartedExecution.
#define RENDERYARD_STARTED_COLUMNS                        \
  RENDERYARD_EXECUTION_COLUMNS                            \
  ", j.workflow, j.parameters::text, j.uid, j.job_type, " \
  "COALESCE(j.metadata->>'characterId', ''), (SELECT epoch::text FROM cluster_meta)"

// $1 execution. 0 or 1 row.
inline constexpr Statement kLoad = {"load", "SELECT " RENDERYARD_STARTED_COLUMNS R"(
FROM comfyui_executions e JOIN jobs j ON j.id = e.platform_job_id WHERE e.id = $1)"};

// $1 execution, $2 instance, $3 epoch, $4 client id. The intent to POST. The lease is held FOR KEY SHARE to the end of
// the transaction, which blocks a takeover but not a renewal. Locks lease, then execution. 0 rows: withdrawn, not
// wanted any more, not assigned, or not ours. 1 row as kLoad.
inline constexpr Statement kStart = {"start", R"(
WITH lease AS (
  SELECT 1 FROM instance_leases WHERE instance_id = $2 AND epoch = $3 FOR KEY SHARE),
e AS (
  UPDATE comfyui_executions x SET status = 'submitting', owner_epoch = $3, client_id = $4,
    witness_prompt_id = (SELECT i.witness_prompt_id FROM comfyui_instances i WHERE i.id = $2),
    submitted_at = clock_timestamp()
  FROM lease WHERE x.id = $1 AND x.instance_id = $2 AND x.status = 'assigned' AND x.cancel_requested_at IS NULL
  RETURNING x.*)
SELECT )" RENDERYARD_STARTED_COLUMNS R"(
FROM e JOIN jobs j ON j.id = e.platform_job_id)"};

// $1 execution, $2 epoch, $3 expected states, $4 new state, $5 comfyui_prompt_id, $6 outcome_proof, $7 heard_end,
// $8 heard_outputs, $9 error code, $10 error message, $11 node id, $12 node class (each null = kept), $13 it has
// started, $14 the slot becomes free, $15 heard_whole, $16 prompt_ended_ms (null = kept), $17 why the instance is put
// into quarantine or null, $18 the circuit is written: $19 faults, $20 openings, $21 open until (microseconds since
// 1970 or null), $22 last job (0 = none), $23 reason, $24 version it follows from, $25 warnings (null = kept). Locks
// execution, then slot, then instance. 0 rows: the fence did not hold. 1 row: has a wish to cancel.
inline constexpr Statement kAdvance = {"advance", R"(
WITH moved AS (
  UPDATE comfyui_executions e SET status = $4,
    comfyui_prompt_id = COALESCE($5, e.comfyui_prompt_id), outcome_proof = COALESCE($6, e.outcome_proof),
    heard_end = COALESCE($7, e.heard_end), heard_outputs = COALESCE($8::jsonb, e.heard_outputs),
    heard_whole = COALESCE($15, e.heard_whole), prompt_ended_ms = COALESCE($16, e.prompt_ended_ms),
    warnings = COALESCE($25::jsonb, e.warnings),
    error_code = COALESCE($9, e.error_code), error_message = COALESCE($10, e.error_message),
    error_details = CASE WHEN $9::text IS NULL THEN e.error_details
                         ELSE jsonb_build_object('node_id', $11::text, 'node_class', $12::text) END,
    accepted_at = CASE WHEN $13 OR $4 IN ('queued', 'running', 'collecting')
                       THEN COALESCE(e.accepted_at, clock_timestamp()) ELSE e.accepted_at END,
    started_at = CASE WHEN $13 OR $4 IN ('running', 'collecting')
                      THEN COALESCE(e.started_at, clock_timestamp()) ELSE e.started_at END,
    ended_at = CASE WHEN $4 IN ('collecting', 'not_accepted', 'failed', 'cancelled', 'lost')
                    THEN COALESCE(e.ended_at, clock_timestamp()) END,
    completed_at = CASE WHEN $4 IN ('not_accepted', 'failed', 'cancelled', 'lost') THEN clock_timestamp() END,
    stray_seen_at = CASE WHEN $17::text IS NOT NULL THEN clock_timestamp() ELSE e.stray_seen_at END
  WHERE e.id = $1 AND e.owner_epoch = $2 AND e.status = ANY ($3::text[])
  RETURNING e.id, e.instance_id, e.slot_no, e.cancel_requested_at),
slot AS (
  UPDATE instance_slots s SET execution_id = NULL
  FROM moved m WHERE $14 AND s.instance_id = m.instance_id AND s.slot_no = m.slot_no AND s.execution_id = m.id),
instance AS (
  UPDATE comfyui_instances i SET
    quarantined_at = CASE WHEN $17::text IS NULL THEN i.quarantined_at ELSE COALESCE(i.quarantined_at, clock_timestamp()) END,
    quarantine_reason = COALESCE(i.quarantine_reason, $17),
    quarantined_by = CASE WHEN $17::text IS NULL THEN i.quarantined_by ELSE COALESCE(i.quarantined_by, m.id) END,
    circuit_faults = CASE WHEN $18 AND i.circuit_version = $24 THEN $19 ELSE i.circuit_faults END,
    circuit_openings = CASE WHEN $18 AND i.circuit_version = $24 THEN $20 ELSE i.circuit_openings END,
    circuit_open_until = CASE WHEN $18 AND i.circuit_version = $24
      THEN 'epoch'::timestamptz + $21::bigint * interval '1 microsecond' ELSE i.circuit_open_until END,
    circuit_last_job = CASE WHEN $18 AND i.circuit_version = $24 THEN NULLIF($22::bigint, 0) ELSE i.circuit_last_job END,
    circuit_reason = CASE WHEN $18 AND i.circuit_version = $24 THEN NULLIF($23, '') ELSE i.circuit_reason END
  FROM moved m WHERE ($17::text IS NOT NULL OR $18::boolean) AND i.id = m.instance_id)
SELECT cancel_requested_at IS NOT NULL FROM moved)"};

// $1 execution, $2 epoch, $3 result, arrays of one length: $4 n, $5 node ids, $6 kinds, $7 filenames, $8 content types,
// $9 sizes, $10 sha256. References the blobs (in their order: no deadlock), then -> completed only when each reference
// was granted, then the outputs and the slot. Locks blobs, then the execution, then its slot. 1 row: moved now, refused
// blobs, was completed by this epoch before.
inline constexpr Statement kComplete = {"complete", R"(
WITH file AS (
  SELECT * FROM unnest($4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[])
    AS f (n, node_id, kind, filename, content_type, size_bytes, sha256)),
wanted AS (
  SELECT sha256, max(size_bytes) AS size_bytes FROM file GROUP BY sha256),
blob AS (
  INSERT INTO blobs (sha256, size_bytes) SELECT sha256, size_bytes FROM wanted ORDER BY sha256
  ON CONFLICT (sha256) DO UPDATE SET last_ref_at = clock_timestamp() WHERE blobs.state = 'live'
  RETURNING sha256),
refused AS (
  SELECT (SELECT count(*) FROM wanted) - (SELECT count(*) FROM blob) AS count),
moved AS (
  UPDATE comfyui_executions e SET status = 'completed', result = $3, progress_percent = 100,
    heard_end = COALESCE(e.heard_end, 'success'), accepted_at = COALESCE(e.accepted_at, clock_timestamp()),
    started_at = COALESCE(e.started_at, clock_timestamp()), ended_at = COALESCE(e.ended_at, clock_timestamp()),
    completed_at = clock_timestamp()
  FROM refused
  WHERE refused.count = 0 AND e.id = $1 AND e.owner_epoch = $2 AND e.status IN ('queued', 'running', 'collecting')
  RETURNING e.id, e.platform_job_id, e.instance_id, e.slot_no),
slot AS (
  UPDATE instance_slots s SET execution_id = NULL
  FROM moved m WHERE s.instance_id = m.instance_id AND s.slot_no = m.slot_no AND s.execution_id = m.id),
output AS (
  INSERT INTO job_outputs (job_id, n, execution_id, node_id, kind, filename, content_type, size_bytes, sha256)
  SELECT m.platform_job_id, f.n, m.id, f.node_id, f.kind, f.filename, f.content_type, f.size_bytes, f.sha256
  FROM moved m, file f)
SELECT EXISTS (SELECT FROM moved), (SELECT count FROM refused),
  EXISTS (SELECT FROM comfyui_executions WHERE id = $1 AND owner_epoch = $2 AND status = 'completed'))"};

// $1 executions, $2 epochs, $3 percents, $4 nodes ('' = none), $5 microseconds since the last sign of life (-1 = none
// heard), $6 messages ('' = none), $7 microseconds since it is called silent (-1 = it is not). Locks executions in id
// order; never the job. Commits without waiting for the disk: progress may be lost with the server.
inline constexpr Statement kRecordProgress = {"record_progress", R"(
WITH execution AS (
  SELECT e.id, w.percent, w.node, w.silent, w.message, w.told FROM comfyui_executions e
  JOIN unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::bigint[], $6::text[], $7::bigint[])
    AS w (id, epoch, percent, node, silent, message, told) ON w.id = e.id
  WHERE e.owner_epoch = w.epoch AND e.status IN ('submitting', 'queued', 'running', 'collecting')
  ORDER BY e.id FOR NO KEY UPDATE OF e),
moved AS (
  UPDATE comfyui_executions e SET progress_percent = GREATEST(e.progress_percent, x.percent),
    current_node = NULLIF(x.node, ''), progress_message = NULLIF(x.message, ''),
    silent_since = CASE WHEN x.told >= 0 THEN clock_timestamp() - x.told * interval '1 microsecond' END,
    last_sign_at = CASE WHEN x.silent < 0 THEN e.last_sign_at
                        ELSE GREATEST(e.last_sign_at, clock_timestamp() - x.silent * interval '1 microsecond') END
  FROM execution x WHERE e.id = x.id)
SELECT set_config('synchronous_commit', 'off', true))"};

// $1 execution, $2 epoch, $3 heard_end or null, $4 heard_outputs or null, $5 heard_whole, $6 error code, $7 error
// message, $8 node id, $9 node class, $10 prompt_ended_ms (each null = kept). Locks the execution.
inline constexpr Statement kRecordHeard = {"record_heard", R"(
UPDATE comfyui_executions SET heard_end = COALESCE($3, heard_end), heard_outputs = COALESCE($4::jsonb, heard_outputs),
  heard_whole = $5, prompt_ended_ms = COALESCE($10, prompt_ended_ms), error_code = COALESCE($6, error_code), error_message = COALESCE($7, error_message),
  error_details = CASE WHEN $6::text IS NULL THEN error_details
                       ELSE jsonb_build_object('node_id', $8::text, 'node_class', $9::text) END
WHERE id = $1 AND owner_epoch = $2 AND status IN ('submitting', 'queued', 'running', 'collecting'))"};

// $1 execution, $2 epoch, $3 code. Locks the execution. 0 rows: the fence did not hold.
inline constexpr Statement kRecordLimit = {"record_limit", R"(
UPDATE comfyui_executions SET limit_passed = COALESCE(limit_passed, $3)
WHERE id = $1 AND owner_epoch = $2 AND status IN ('submitting', 'queued', 'running')
RETURNING id)"};

// $1 instance, $2 epoch, $3 circuit_version. The lease is held FOR KEY SHARE as in kStart. 0 rows: the fence did not
// hold.
inline constexpr Statement kCloseCircuit = {"close_circuit", R"(
WITH lease AS (
  SELECT 1 FROM instance_leases WHERE instance_id = $1 AND epoch = $2 FOR KEY SHARE)
UPDATE comfyui_instances i SET circuit_faults = 0, circuit_openings = 0, circuit_open_until = NULL,
  circuit_last_job = NULL, circuit_reason = NULL
FROM lease WHERE i.id = $1 AND i.circuit_version = $3
RETURNING i.id)"};

// $1 instance, $2 epoch, $3 execution, $4 reason. The lease is held FOR KEY SHARE as in kStart. 1 row when it is ours.
inline constexpr Statement kQuarantine = {"quarantine", R"(
WITH lease AS (
  SELECT 1 FROM instance_leases WHERE instance_id = $1 AND epoch = $2 FOR KEY SHARE)
UPDATE comfyui_instances i SET quarantined_at = COALESCE(i.quarantined_at, clock_timestamp()),
  quarantine_reason = COALESCE(i.quarantine_reason, $4), quarantined_by = COALESCE(i.quarantined_by, $3)
FROM lease WHERE i.id = $1
RETURNING i.id)"};

// $1 instance, $2 epoch, $3 execution, $4 what became of its prompt or ''. The lease is held FOR KEY SHARE as in
// kStart. Locks the instance, then the execution, which has ended. 1 row when the lease is ours.
inline constexpr Statement kLiftQuarantine = {"lift_quarantine", R"(
WITH lease AS (
  SELECT 1 FROM instance_leases WHERE instance_id = $1 AND epoch = $2 FOR KEY SHARE),
lifted AS (
  UPDATE comfyui_instances i SET quarantined_at = NULL, quarantine_reason = NULL, quarantined_by = NULL
  FROM lease WHERE i.id = $1 AND i.quarantined_by = $3),
stray AS (
  UPDATE comfyui_executions e SET stray_outcome = $4
  FROM lease WHERE e.id = $3 AND $4 <> '' AND e.stray_seen_at IS NOT NULL)
SELECT 1 FROM lease)"};

// $1 execution, $2 instance, $3 epoch, $4 what became of its prompt. The lease is held FOR KEY SHARE as in kStart. 0
// rows: not ours, or recorded before.
inline constexpr Statement kRecordStray = {"record_stray", R"(
WITH lease AS (
  SELECT 1 FROM instance_leases WHERE instance_id = $2 AND epoch = $3 FOR KEY SHARE)
UPDATE comfyui_executions e SET stray_seen_at = clock_timestamp(), stray_outcome = $4
FROM lease WHERE e.id = $1 AND e.instance_id = $2 AND e.stray_seen_at IS NULL AND (e.given_up_at IS NOT NULL
  OR (e.status IN ('not_accepted', 'lost') AND e.outcome_proof IN ('absent_strong', 'unclear')))
RETURNING e.id)"};

// $1 instances, $2 epochs, $3 statuses, $4 attempts, $5 reasons. The leases are held FOR KEY SHARE as in kStart. Rows:
// instances whose lease is ours.
inline constexpr Statement kSetInstanceStates = {"set_instance_states", R"(
WITH lease AS (
  SELECT w.* FROM instance_leases l
  JOIN unnest($1::bigint[], $2::bigint[], $3::text[], $4::integer[], $5::text[])
    AS w (instance_id, epoch, status, attempts, reason) ON w.instance_id = l.instance_id AND w.epoch = l.epoch
  ORDER BY l.instance_id FOR KEY SHARE OF l)
UPDATE comfyui_instances i SET status_id = new.id, reconnect_attempts = w.attempts, status_reason = NULLIF(w.reason, ''),
  last_connected_at = CASE WHEN new.name = 'connected' AND old.name <> 'connected' THEN clock_timestamp()
                           ELSE i.last_connected_at END,
  last_disconnected_at = CASE WHEN old.name = 'connected' AND new.name <> 'connected' THEN clock_timestamp()
                              ELSE i.last_disconnected_at END
FROM lease w, comfyui_instance_statuses new, comfyui_instance_statuses old
WHERE i.id = w.instance_id AND new.name = w.status AND old.id = i.status_id
RETURNING i.id)"};

// $1 instance, $2 epoch, $3 digest. 1 row when these are stored already.
inline constexpr Statement kTouchCapabilities = {"touch_capabilities", R"(
WITH lease AS (
  SELECT 1 FROM instance_leases WHERE instance_id = $1 AND epoch = $2 FOR KEY SHARE)
UPDATE instance_capabilities c SET read_at = clock_timestamp() FROM lease
WHERE c.instance_id = $1 AND c.digest = $3 RETURNING 1)"};

// $1 instance, $2 epoch, $3 digest, $4 version, $5 devices, $6 node classes, $7 models, $8 complete. 0 rows: not ours.
inline constexpr Statement kSetCapabilities = {"set_capabilities", R"(
WITH lease AS (
  SELECT 1 FROM instance_leases WHERE instance_id = $1 AND epoch = $2 FOR KEY SHARE)
INSERT INTO instance_capabilities AS c (instance_id, digest, comfyui_version, devices, node_classes, models, complete,
                                        read_at)
SELECT $1, $3, $4, $5::jsonb, $6::text[], $7::jsonb, $8, clock_timestamp() FROM lease
ON CONFLICT (instance_id) DO UPDATE SET digest = excluded.digest, comfyui_version = excluded.comfyui_version,
  devices = excluded.devices, node_classes = excluded.node_classes, models = excluded.models,
  complete = excluded.complete, read_at = excluded.read_at
RETURNING 1)"};

// $1 instance, $2 epoch, $3 prompt id.
inline constexpr Statement kSetWitness = {"set_witness", R"(
WITH lease AS (
  SELECT 1 FROM instance_leases WHERE instance_id = $1 AND epoch = $2 FOR KEY SHARE)
UPDATE comfyui_instances i SET witness_prompt_id = $3 FROM lease WHERE i.id = $1)"};

}  // namespace renderyard::postgres::sql
