// Column lists that several statements share, in the order rows.cc reads them.
#pragma once

// Alias e. ports::ExecutionRow.
#define RENDERYARD_EXECUTION_COLUMNS                                                                                   \
  "e.id, e.instance_id, e.platform_job_id, e.user_id, e.attempt, e.slot_no, e.status, e.client_prompt_id, "            \
  "e.comfyui_prompt_id, e.client_id, e.owner_epoch, e.outcome_proof, e.cancel_requested_at, e.heard_end, "             \
  "e.heard_outputs::text, e.heard_whole, e.prompt_ended_ms, e.witness_prompt_id, e.progress_percent, e.current_node, " \
  "e.error_code, "                                                                                                     \
  "e.error_message, "                                                                                                  \
  "e.error_details->>'node_id', e.error_details->>'node_class', e.adoptions, e.assigned_at, e.submitted_at, "          \
  "e.accepted_at, e.started_at, e.ended_at, e.completed_at, e.settled_at, e.last_sign_at, e.limit_passed, "            \
  "clock_timestamp(), e.adoption_run, e.stray_seen_at, e.stray_outcome, e.given_up_at"

// domain::ExecutionState: those that are not final, and those that occupy a slot.
#define RENDERYARD_LIVE_STATES "('assigned', 'submitting', 'queued', 'running', 'collecting')"
#define RENDERYARD_FINAL_STATES "('withdrawn', 'not_accepted', 'completed', 'failed', 'cancelled', 'lost')"

// Aliases i (comfyui_instances), s (comfyui_instance_statuses), l (its live lease, LEFT JOIN). ports::InstanceRow, with
// the details that operators see, or without.
#define RENDERYARD_INSTANCE_FACTS                                                                              \
  "i.id, i.name, i.api_url, i.ws_url, s.name, i.is_enabled, i.slots, i.reconnect_attempts, i.status_reason, "  \
  "i.last_connected_at, i.last_disconnected_at, i.removed_at, l.owner, i.witness_prompt_id, i.is_draining, "   \
  "i.behind_proxy, i.unique_prefix, i.shared_instance, i.config_version, "                                     \
  "EXISTS (SELECT FROM instance_access a WHERE a.instance_id = i.id), i.quarantined_at, i.quarantine_reason, " \
  "i.quarantined_by, i.circuit_faults, i.circuit_openings, i.circuit_open_until, i.circuit_last_job, "         \
  "i.circuit_reason, i.circuit_version, "
#define RENDERYARD_INSTANCE_COLUMNS                                                      \
  RENDERYARD_INSTANCE_FACTS                                                              \
  "(SELECT string_agg(a.name, ',' ORDER BY a.name COLLATE \"C\") FROM instance_access a" \
  " WHERE a.instance_id = i.id), "                                                       \
  "(SELECT count(*) FROM comfyui_executions x WHERE x.instance_id = i.id AND x.status IN " RENDERYARD_LIVE_STATES ")"
#define RENDERYARD_INSTANCE_COLUMNS_PLAIN RENDERYARD_INSTANCE_FACTS "NULL, 0"
#define RENDERYARD_INSTANCE_JOINS                           \
  " JOIN comfyui_instance_statuses s ON s.id = i.status_id" \
  " LEFT JOIN instance_leases l ON l.instance_id = i.id AND l.expires_at > clock_timestamp()"
