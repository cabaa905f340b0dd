#include "libs/common/domain/comfy_fields.h"

#include <absl/strings/ascii.h>

#include "libs/common/base/json.h"

namespace renderyard::domain {

void append_files(std::vector<OutputFile>& files, std::string_view node_id, ComfyValue output) {
  for (const auto& [kind, list] : output.members()) {
    for (const auto item : list.items()) {
      std::string filename = item["filename"].string_or("");
      if (filename.empty()) continue;
      files.push_back({.node_id = std::string(node_id),
                       .kind = kind,
                       .filename = std::move(filename),
                       .subfolder = item["subfolder"].string_or(""),
                       .type = item["type"].string_or("output")});
    }
  }
}

std::optional<absl::Time> read_timestamp(ComfyValue data) {
  const auto ms = data["timestamp"].number();
  if (!ms || !(*ms > 0) || !(*ms < 1e15)) return std::nullopt;
  return absl::FromUnixMillis(static_cast<std::int64_t>(*ms));
}

ExecutionError read_execution_error(ComfyValue data) {
  ExecutionError error;
  error.prompt_id = data["prompt_id"].id_text();
  error.node_id = data["node_id"].id_text();
  error.node_type = data["node_type"].string_or("");
  error.message = std::string(absl::StripAsciiWhitespace(data["exception_message"].string_or("")));
  error.exception_type = data["exception_type"].string_or("");
  // A note from one branch; the prompt goes on (recordings: execution-blocker).
  error.ends_prompt = error.exception_type != "ExecutionBlocked";
  return error;
}

ExecutionInterrupted read_execution_interrupted(ComfyValue data) {
  return {.prompt_id = data["prompt_id"].id_text(),
          .node_id = data["node_id"].id_text(),
          .node_type = data["node_type"].string_or("")};
}

std::string execution_id_of(ComfyValue entry) {
  return entry[std::size_t{3}]["renderyard"]["execution_id"].id_text();
}

std::string chosen_id_of(ComfyValue entry) {
  return entry[std::size_t{3}]["renderyard"]["prompt_id"].id_text();
}

}  // namespace renderyard::domain
