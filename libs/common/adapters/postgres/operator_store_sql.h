// The statements of OperatorStore. Every action is one transaction of several: the rows are locked first (job,
// execution, slot, the order of everybody), so that what is decided on stays true to the commit.
#pragma once

#include "libs/common/adapters/postgres/session.h"

namespace renderyard::postgres::sql {

// $1 job. 0 or 1 row: status, error code or '', execution.
inline constexpr Statement kLockJob = {"operator_lock_job", R"(
SELECT status_id, COALESCE(error_code, ''), execution_id FROM jobs WHERE id = $1 FOR NO KEY UPDATE)"};

// $1 execution. 0 or 1 row: status, instance, slot. A statement of its own: after a wait it sees the newest version.
inline constexpr Statement kLockExecution = {"operator_lock_execution", R"(
SELECT status, instance_id, slot_no FROM comfyui_executions WHERE id = $1 FOR NO KEY UPDATE)"};

// $1 execution, $2 expected state, $3 new state, $4 error code, $5 message, $6 its prompt may run. The execution is
// locked. 1 row when moved.
inline constexpr Statement kGiveUp = {"give_up", R"(
WITH moved AS (
  UPDATE comfyui_executions e SET status = $3, error_code = $4, error_message = $5, error_details = NULL,
    ended_at = COALESCE(e.ended_at, clock_timestamp()), completed_at = clock_timestamp(),
    given_up_at = CASE WHEN $6 THEN clock_timestamp() END
  WHERE e.id = $1 AND e.status = $2
  RETURNING e.id, e.instance_id, e.slot_no),
slot AS (
  UPDATE instance_slots s SET execution_id = NULL
  FROM moved m WHERE s.instance_id = m.instance_id AND s.slot_no = m.slot_no AND s.execution_id = m.id)
SELECT id FROM moved)"};

// $1 name, $2 slot. 0 or 1 row: instance, execution that holds the slot or null. Instances that were removed have no
// name any more.
inline constexpr Statement kFindSlot = {"operator_find_slot", R"(
SELECT s.instance_id, s.execution_id FROM instance_slots s JOIN comfyui_instances i ON i.id = s.instance_id
WHERE i.name = $1 AND i.removed_at IS NULL AND s.slot_no = $2)"};

// $1 instance, $2 slot, $3 execution that held it. 0 rows: it is not the holder any more.
inline constexpr Statement kFreeSlot = {"operator_free_slot", R"(
UPDATE instance_slots SET execution_id = NULL WHERE instance_id = $1 AND slot_no = $2 AND execution_id = $3
RETURNING slot_no)"};

// $1 who, $2 why, $3 action, $4 job, $5 execution, $6 instance, $7 slot (each null = none), $8 data. 1 row: at.
inline constexpr Statement kRecordAction = {"operator_record", R"(
INSERT INTO operator_actions (who, why, action, job_id, execution_id, instance_id, slot_no, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING at)"};

// $1 job or null, $2 limit. Newest first.
inline constexpr Statement kActions = {"operator_actions", R"(
SELECT id, at, who, why, action, job_id, execution_id, instance_id, slot_no, data::text FROM operator_actions
WHERE $1::bigint IS NULL OR job_id = $1 ORDER BY id DESC LIMIT $2)"};

}  // namespace renderyard::postgres::sql
