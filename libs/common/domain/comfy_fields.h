// Parts that WebSocket messages and history entries have in common. For the parsers of this folder only.
#pragma once

#include <absl/time/time.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/common/domain/comfy_json.h"
#include "libs/common/domain/comfy_message.h"

namespace renderyard::domain {

// Appends every file that a node's output names: any dict with a `filename` in any list of any key.
void append_files(std::vector<OutputFile>& files, std::string_view node_id, ComfyValue output);

// `timestamp` of a message: ms since 1970 by the server's clock.
std::optional<absl::Time> read_timestamp(ComfyValue data);

ExecutionError read_execution_error(ComfyValue data);
ExecutionInterrupted read_execution_interrupted(ComfyValue data);

// extra_data.renderyard.execution_id and .prompt_id of an entry [number, prompt_id, workflow, extra_data, outputs]; ""
// for strangers.
std::string execution_id_of(ComfyValue entry);
std::string chosen_id_of(ComfyValue entry);

}  // namespace renderyard::domain
