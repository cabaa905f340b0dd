#include "tests/comfysim/generation.h"

namespace comfysim {

const Generation& generation_0_33_0() {
  static constexpr Generation kGeneration = {
      .name = "0.33.0",
      .version = "0.33.0",
      .features = true,
      .client_prompt_ids = true,
      .uuid_prompt_ids = true,
      .progress_state = true,
      .throttled_progress = true,
      .targeted_interrupt = true,
      .create_time = true,
      .jobs_api = true,
      .secrets_hidden = true,
      .missing_node_type = true,
      .cross_site_refused = true,
      .dependency_cycle = true,
      .atomic_cancel = true,
      .models_route = true,
      .upload_duplicates = true,
      .active_files_hidden = true,
      .nosniff = true,
      .newer_folders = true,
      .input_order = true,
      .animated_only_if_many = true,
      .search_aliases = true,
  };
  return kGeneration;
}

const Generation& generation_0_3_64() {
  static constexpr Generation kGeneration = {
      .name = "0.3.64",
      .version = "0.3.64",
      .features = true,
      .client_prompt_ids = true,
      .uuid_prompt_ids = false,
      .progress_state = true,
      .throttled_progress = false,
      .targeted_interrupt = true,
      .create_time = false,
      .jobs_api = false,
      .secrets_hidden = false,
      .missing_node_type = false,
      .cross_site_refused = false,
      .dependency_cycle = false,
      .atomic_cancel = false,
      .models_route = true,
      .upload_duplicates = true,
      .active_files_hidden = true,
      .nosniff = false,
      .newer_folders = false,
      .input_order = true,
      .animated_only_if_many = false,
      .search_aliases = false,
  };
  return kGeneration;
}

const Generation& generation_2024_06_30() {
  static constexpr Generation kGeneration = {
      .name = "2024-06-30",
      .version = "",
      .features = false,
      .client_prompt_ids = false,
      .uuid_prompt_ids = false,
      .progress_state = false,
      .throttled_progress = false,
      .targeted_interrupt = false,
      .create_time = false,
      .jobs_api = false,
      .secrets_hidden = false,
      .missing_node_type = false,
      .cross_site_refused = false,
      .dependency_cycle = false,
      .atomic_cancel = false,
      .models_route = false,
      .upload_duplicates = false,
      .active_files_hidden = false,
      .nosniff = false,
      .newer_folders = false,
      .input_order = false,
      .animated_only_if_many = false,
      .search_aliases = false,
  };
  return kGeneration;
}

}  // namespace comfysim
