// Finds out what a ComfyUI server can do by asking it, not by its version number (which may be "unknown" or missing).
// Only the targeted interrupt cannot be asked for without a prompt that runs: there the version decides, and no version
// means no. progress_state came with the feature flags, in the same release (0.3.45).
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string_view>

#include "libs/common/base/task.h"
#include "libs/common/ports/comfy_instance.h"
#include "services/bridge/comfy/comfy_api.h"

namespace renderyard::comfy {

base::Task<absl::StatusOr<ports::ComfyAbilities>> probe_server(ComfyApi& api, absl::Time deadline);

// "0.3.57" and "v0.4.0" against 0.3.57; false for what is no version.
bool version_at_least(std::string_view version, int major, int minor, int patch);

}  // namespace renderyard::comfy
