// What differs between the releases of ComfyUI that comfysim can stand for.
#ifndef RENDERYARD_TESTS_COMFYSIM_GENERATION_H_
#define RENDERYARD_TESTS_COMFYSIM_GENERATION_H_

#include <string>
#include <string_view>
#include <vector>

namespace comfysim {

// One row per release. The dates of the features are those of the commits that brought them, the facts those of the
// recordings. Nothing else in comfysim asks for a version.
struct Generation {
  std::string_view name;        // the file of its nodes is definitions/core-NAME.json
  std::string_view version;     // comfyui_version of /system_stats; empty: has none
  bool timestamps;              // execution messages carry one, and execution_success is sent (2024-07-21)
  bool graph_executor;          // expansion, display_node, history meta, executed for cached nodes (2024-08-15)
  bool origin_check;            // 403 when Origin and Host differ on loopback (2024-09-08)
  bool error_objects;           // refusals always have objects for error and node_errors (0.3.28)
  bool text_frames;             // binary type 3 (0.3.34)
  bool features;                // GET /features, feature_flags message, binary type 4 (0.3.45)
  bool async_nodes;             // nodes may run beside each other (0.3.45)
  bool client_prompt_ids;       // prompt_id of the POST is used (0.3.45)
  bool progress_state;          // message progress_state (0.3.45)
  bool partial_targets;         // partial_execution_targets (0.3.48)
  bool targeted_interrupt;      // prompt_id in POST /interrupt (0.3.57)
  bool create_time;             // extra_data.create_time (0.3.69)
  bool jobs_api;                // GET /api/jobs (0.6.0)
  bool secrets_hidden;          // tokens are taken out of extra_data before /queue shows it (0.6.0)
  bool secrets_out_of_history;  // ... and before they go into the history (0.3.45 at the latest)
  bool history_offset;          // GET /history knows offset (missing in 2024-06-30)
  bool throttled_progress;      // reports of progress are thinned out (0.9.2)
  bool missing_node_type;       // error type missing_node_type instead of invalid_prompt (0.12.0)
  bool cross_site_refused;      // 403 on Sec-Fetch-Site: cross-site (0.19.0)
  bool node_replacement;        // a loop over all nodes before validation raises on what is no node (0.20.0 or before)
  bool short_custom_errors;     // custom_validation_failed says no more than the name of the input (0.3.28 or before)
  bool dependency_cycle;        // error type dependency_cycle (0.20.0)
  bool uuid_prompt_ids;         // prompt ids of clients must be canonical UUIDs (0.25.0)
  bool coloured_log;            // lines of the log begin with a coloured level (0.26.0 at the latest)
  bool atomic_cancel;           // POST /api/jobs/{id}/cancel and /api/jobs/cancel (0.26.0)
  bool models_route;            // GET /models and /models/{folder} (missing in 2024-06-30)
  bool newer_folders;           // model folders that came after 0.3.64
  bool upload_duplicates;       // an upload with the bytes of the file of that name makes no second one (missing in
                                // 2024-06-30)
  bool active_files_hidden;     // /view gives HTML, JS and CSS as application/octet-stream (missing in 2024-06-30)
  bool nosniff;                 // /view says so, and gives HTML, JS, CSS and SVG as attachments (missing in 0.3.64)
  bool internal_logs;           // /internal/logs and the logs message (missing in 2024-06-30)
  bool options_answered;        // OPTIONS gets 200 on every path (missing in 2024-06-30)
  bool system_versions;         // /system_stats has memory, versions and argv (missing in 2024-06-30)
  bool input_order;             // input_order and python_module in /object_info (missing in 2024-06-30)
  bool animated_only_if_many;   // "animated" of SaveAnimatedWEBP and SaveAnimatedPNG only for more than one picture (by
                                // 0.33.0)
  bool search_aliases;          // is_input_list, has_intermediate_output, search_aliases there (missing in 0.3.64)
};

// ComfyUI 0.33.0 of 2026-08-22.
const Generation& generation_0_33_0();

// ComfyUI 0.3.64 of 2025-10-12.
const Generation& generation_0_3_64();

// ComfyUI of 2024-06-30, which has no version number.
const Generation& generation_2024_06_30();

// By name: "2024-06-30", "0.3.64" or "0.33.0"; nullptr when there is no such row.
const Generation* find_generation(std::string_view name);

// All names, oldest first.
std::vector<std::string> generation_names();

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_GENERATION_H_
