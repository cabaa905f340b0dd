// The statements of InstanceStore. Operators' work: rare, not measured.
#pragma once

#include "libs/common/adapters/postgres/columns_sql.h"
#include "libs/common/adapters/postgres/session.h"

namespace renderyard::postgres::sql {

// $1 also removed ones that still have live executions. By id.
inline constexpr Statement kListInstances = {
    "list_instances", "SELECT " RENDERYARD_INSTANCE_COLUMNS " FROM comfyui_instances i" RENDERYARD_INSTANCE_JOINS
                      " WHERE i.removed_at IS NULL OR ($1 AND EXISTS (SELECT FROM comfyui_executions x"
                      " WHERE x.instance_id = i.id AND x.status IN " RENDERYARD_LIVE_STATES ")) ORDER BY i.id"};

// $1 name. 0 or 1 row.
inline constexpr Statement kInstanceByName = {"instance_by_name", "SELECT " RENDERYARD_INSTANCE_COLUMNS
                                                                  " FROM comfyui_instances i" RENDERYARD_INSTANCE_JOINS
                                                                  " WHERE i.name = $1 AND i.removed_at IS NULL"};

// $1 id. 0 or 1 row: digest, version, devices, node classes as a JSON array, models, complete, read_at.
inline constexpr Statement kCapabilities = {"capabilities", R"(
SELECT digest, comfyui_version, devices::text, to_json(node_classes)::text, models::text, complete, read_at
FROM instance_capabilities WHERE instance_id = $1)"};

// $1 name. Holds it until the end of the transaction. 0 or 1 row: id, api_url, whether it has an access.
inline constexpr Statement kLockInstance = {"lock_instance", R"(
SELECT i.id, i.api_url, EXISTS (SELECT FROM instance_access a WHERE a.instance_id = i.id)
FROM comfyui_instances i WHERE i.name = $1 AND i.removed_at IS NULL FOR NO KEY UPDATE)"};

// $1 api_url. 1 row when a removed instance there has live executions.
inline constexpr Statement kStillFollowed = {"still_followed", R"(
SELECT 1 FROM comfyui_instances i
WHERE i.api_url = $1 AND i.removed_at IS NOT NULL
  AND EXISTS (SELECT FROM comfyui_executions x WHERE x.instance_id = i.id AND x.status IN )" RENDERYARD_LIVE_STATES
                                                               ") LIMIT 1"};

// $1 name, $2 api_url. The same instance, disabled: enabled again. 0 or 1 row: id.
inline constexpr Statement kEnableAgain = {"enable_again", R"(
UPDATE comfyui_instances SET is_enabled = true, config_version = config_version + 1
WHERE name = $1 AND api_url = $2 AND NOT is_enabled AND removed_at IS NULL
RETURNING id)"};

// $1 name, $2 api_url, $3 ws_url, $4 slots, $5 behind_proxy, $6 unique_prefix, $7 shared_instance. 0 rows: the name or
// the URL is in use. 1 row: id.
inline constexpr Statement kAddInstance = {"add_instance", R"(
INSERT INTO comfyui_instances (name, api_url, ws_url, slots, behind_proxy, unique_prefix, shared_instance)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING id)"};

// $1 id of the instance before, $2 api_url, $3 ws_url. Its name and settings at another address. 0 rows: the URL is in
// use. 1 row: id.
inline constexpr Statement kMoveInstance = {"move_instance", R"(
INSERT INTO comfyui_instances (name, api_url, ws_url, slots, is_enabled, is_draining, behind_proxy, unique_prefix,
                               shared_instance, metadata)
SELECT name, $2, $3, slots, is_enabled, is_draining, behind_proxy, unique_prefix, shared_instance, metadata
FROM comfyui_instances WHERE id = $1 ON CONFLICT DO NOTHING RETURNING id)"};

// $1 id, $2 slots, $3 behind_proxy, $4 unique_prefix, $5 shared_instance; null = kept.
inline constexpr Statement kChangeInstance = {"change_instance", R"(
UPDATE comfyui_instances SET slots = COALESCE($2, slots), behind_proxy = COALESCE($3, behind_proxy),
  unique_prefix = COALESCE($4, unique_prefix), shared_instance = COALESCE($5, shared_instance),
  config_version = config_version + 1
WHERE id = $1)"};

// $1 id. The slots that are missing.
inline constexpr Statement kGrowSlots = {"grow_slots", R"(
INSERT INTO instance_slots (instance_id, slot_no)
SELECT i.id, n FROM comfyui_instances i, generate_series(0, i.slots - 1) AS n WHERE i.id = $1
ON CONFLICT DO NOTHING)"};

// $1 id, $2 names, $3 values.
inline constexpr Statement kForgetAccess = {"forget_access", "DELETE FROM instance_access WHERE instance_id = $1"};
inline constexpr Statement kSetAccess = {"set_access", R"(
INSERT INTO instance_access (instance_id, name, value)
SELECT $1, h.name, h.value FROM unnest($2::text[], $3::text[]) AS h (name, value))"};

// $1 name, $2 api_url. The instance that has the name, else the one that has the URL. 0 or 1 row.
inline constexpr Statement kConflictingInstance = {
    "conflicting_instance", "SELECT " RENDERYARD_INSTANCE_COLUMNS " FROM comfyui_instances i" RENDERYARD_INSTANCE_JOINS
                            " WHERE i.removed_at IS NULL AND (i.name = $1 OR i.api_url = $2)"
                            " ORDER BY i.name = $1 DESC LIMIT 1"};

// $1 name, $2 enabled. 0 or 1 row: id.
inline constexpr Statement kSetEnabled = {"set_enabled", R"(
UPDATE comfyui_instances SET is_enabled = $2, config_version = config_version + 1
WHERE name = $1 AND removed_at IS NULL RETURNING id)"};

// $1 name, $2 draining. 0 or 1 row: id.
inline constexpr Statement kSetDraining = {"set_draining", R"(
UPDATE comfyui_instances SET is_draining = $2, config_version = config_version + 1
WHERE name = $1 AND removed_at IS NULL RETURNING id)"};

// $1 name. 0 or 1 row: id.
inline constexpr Statement kRemoveInstance = {"remove_instance", R"(
UPDATE comfyui_instances SET removed_at = clock_timestamp(), config_version = config_version + 1
WHERE name = $1 AND removed_at IS NULL RETURNING id)"};

// $1 name. 0 or 1 row: id.
inline constexpr Statement kReleaseInstance = {"release_instance", R"(
UPDATE comfyui_instances SET quarantined_at = NULL, quarantine_reason = NULL, quarantined_by = NULL, circuit_faults = 0,
  circuit_openings = 0, circuit_open_until = NULL, circuit_last_job = NULL, circuit_reason = NULL,
  circuit_version = circuit_version + 1
WHERE name = $1 AND removed_at IS NULL RETURNING id)"};

// $1 id. 1 row.
inline constexpr Statement kInstanceById = {"instance_by_id",
                                            "SELECT " RENDERYARD_INSTANCE_COLUMNS
                                            " FROM comfyui_instances i" RENDERYARD_INSTANCE_JOINS " WHERE i.id = $1"};

}  // namespace renderyard::postgres::sql
