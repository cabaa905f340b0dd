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

bool overwritable(const OutputFile& file, std::string_view execution_id) {
  if (file.type == "temp") return false;
  constexpr std::string_view kRoot = "renderyard";
  std::string_view folder = file.subfolder;
  const auto skip = [&folder](std::string_view name) {
    if (!folder.starts_with(name)) return false;
    folder.remove_prefix(name.size());
    return true;
  };
  // Servers on Windows write their own separator.
  const auto skip_separator = [&] { return skip("/") || skip("\\"); };
  const bool in_own_folder =
      skip(kRoot) && skip_separator() && skip(execution_id) && (folder.empty() || skip_separator());
  return !in_own_folder;
}

bool written_after_end(std::optional<absl::Time> modified_at, std::optional<absl::Time> prompt_ended_at) {
  return modified_at && prompt_ended_at && *modified_at > *prompt_ended_at + kFileClockSlack;
}

}  // namespace renderyard::domain
