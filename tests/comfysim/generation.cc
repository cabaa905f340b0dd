#include "tests/comfysim/generation.h"

#include <array>

namespace comfysim {
namespace {

// The old recursive executor; commit 521421f5.
constexpr Generation k20240630 = {.name = "2024-06-30"};

// Commit a125cd84 of 2025-10-12.
constexpr Generation k0364 = {
    .name = "0.3.64",
    .version = "0.3.64",
    .timestamps = true,
    .graph_executor = true,
    .origin_check = true,
    .error_objects = true,
    .text_frames = true,
    .features = true,
    .async_nodes = true,
    .client_prompt_ids = true,
    .progress_state = true,
    .partial_targets = true,
    .targeted_interrupt = true,
    .secrets_out_of_history = true,
    .history_offset = true,
    .short_custom_errors = true,
    .models_route = true,
    .upload_duplicates = true,
    .active_files_hidden = true,
    .internal_logs = true,
    .options_answered = true,
    .system_versions = true,
    .input_order = true,
};

// Commit 783545f6 of 2026-08-22.
constexpr Generation k0330 = [] {
  Generation out = k0364;
  out.name = "0.33.0";
  out.version = "0.33.0";
  out.create_time = true;
  out.jobs_api = true;
  out.secrets_hidden = true;
  out.throttled_progress = true;
  out.missing_node_type = true;
  out.cross_site_refused = true;
  out.node_replacement = true;
  out.dependency_cycle = true;
  out.uuid_prompt_ids = true;
  out.coloured_log = true;
  out.atomic_cancel = true;
  out.animated_only_if_many = true;
  out.nosniff = true;
  out.newer_folders = true;
  out.search_aliases = true;
  return out;
}();

constexpr std::array<const Generation*, 3> kAll = {&k20240630, &k0364, &k0330};

}  // namespace

const Generation& generation_0_33_0() {
  return k0330;
}

const Generation& generation_0_3_64() {
  return k0364;
}

const Generation& generation_2024_06_30() {
  return k20240630;
}

const Generation* find_generation(std::string_view name) {
  for (const Generation* generation : kAll) {
    if (generation->name == name) return generation;
  }
  return nullptr;
}

std::vector<std::string> generation_names() {
  std::vector<std::string> out;
  for (const Generation* generation : kAll) out.emplace_back(generation->name);
  return out;
}

}  // namespace comfysim
