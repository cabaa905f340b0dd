#include "tests/comfysim/generation.h"

namespace comfysim {

const Generation& generation_0_33_0() {
  static constexpr Generation kGeneration = {
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
  };
  return kGeneration;
}

}  // namespace comfysim
