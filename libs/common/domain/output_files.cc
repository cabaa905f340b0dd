#include "libs/common/domain/output_files.h"

#include "libs/common/domain/comfy_fields.h"
#include "libs/common/domain/comfy_json.h"

namespace renderyard::domain {

std::vector<OutputFile> output_files(std::string_view outputs_json) {
  std::vector<OutputFile> files;
  const auto document = parse_comfy_json(outputs_json);
  if (!document.ok()) return files;
  for (const auto& [node_id, output] : document->root().members()) append_files(files, node_id, output);
  return files;
}

bool written_after_end(std::optional<absl::Time> modified_at, std::optional<absl::Time> prompt_ended_at) {
  return modified_at && prompt_ended_at && *modified_at > *prompt_ended_at + kFileClockSlack;
}

}  // namespace renderyard::domain
