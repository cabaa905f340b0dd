// The statements of InstanceStore. Operators' work: rare, not measured.
#pragma once

#include "libs/common/adapters/postgres/columns_sql.h"
#include "libs/common/adapters/postgres/session.h"

namespace renderyard::postgres::sql {

// By id.
inline constexpr Statement kListInstances = {"list_instances", "SELECT " RENDERYARD_INSTANCE_COLUMNS
                                                               " FROM comfyui_instances i" RENDERYARD_INSTANCE_JOINS
                                                               " WHERE i.removed_at IS NULL ORDER BY i.id"};

// $1 name, $2 api_url. The same instance, disabled: enabled again. 0 or 1 row: id.
inline constexpr Statement kEnableAgain = {"enable_again", R"(
UPDATE comfyui_instances SET is_enabled = true
WHERE name = $1 AND api_url = $2 AND NOT is_enabled AND removed_at IS NULL
RETURNING id)"};

// $1 name, $2 api_url, $3 ws_url, $4 slots. 0 rows: the name or the URL is in use. 1 row: id.
inline constexpr Statement kAddInstance = {"add_instance", R"(
WITH instance AS (
  INSERT INTO comfyui_instances (name, api_url, ws_url, slots) VALUES ($1, $2, $3, $4)
  ON CONFLICT DO NOTHING RETURNING id),
slot AS (
  INSERT INTO instance_slots (instance_id, slot_no) SELECT instance.id, n FROM instance, generate_series(0, $4::int - 1) AS n)
SELECT id FROM instance)"};

// $1 name, $2 api_url. The instance that has the name, else the one that has the URL. 0 or 1 row.
inline constexpr Statement kConflictingInstance = {
    "conflicting_instance", "SELECT " RENDERYARD_INSTANCE_COLUMNS " FROM comfyui_instances i" RENDERYARD_INSTANCE_JOINS
                            " WHERE i.removed_at IS NULL AND (i.name = $1 OR i.api_url = $2)"
                            " ORDER BY i.name = $1 DESC LIMIT 1"};

// $1 name, $2 enabled. 0 or 1 row: id.
inline constexpr Statement kSetEnabled = {"set_enabled", R"(
UPDATE comfyui_instances SET is_enabled = $2 WHERE name = $1 AND removed_at IS NULL RETURNING id)"};

// $1 id. 1 row.
inline constexpr Statement kInstanceById = {"instance_by_id",
                                            "SELECT " RENDERYARD_INSTANCE_COLUMNS
                                            " FROM comfyui_instances i" RENDERYARD_INSTANCE_JOINS " WHERE i.id = $1"};

}  // namespace renderyard::postgres::sql
