// GET /history and /history/{id}: {prompt_id: {"prompt": [...], "outputs": {...}, "status": {...}}}.
#include <utility>

#include "libs/common/domain/comfy_fields.h"
#include "libs/common/domain/comfy_json.h"
#include "libs/common/domain/comfy_message.h"

namespace renderyard::domain {

namespace {

void read_end(HistoryEntry& entry, ComfyValue status) {
  for (const auto message : status["messages"].items()) {
    const std::string type = message[std::size_t{0}].string_or("");
    if (const auto at = read_timestamp(message[std::size_t{1}])) entry.ended_at = at;
    if (type == "execution_error") entry.error = read_execution_error(message[std::size_t{1}]);
    // Its status_str says "error" like a failure's; only the message tells.
    if (type == "execution_interrupted") entry.interrupted = read_execution_interrupted(message[std::size_t{1}]);
  }
  // `completed` decides: servers of mid 2024 have no execution_success.
  if (status["completed"].bool_or(false)) {
    entry.end = HistoryEnd::kSuccess;
    entry.error.reset();
    entry.interrupted.reset();
  } else if (entry.interrupted) {
    entry.end = HistoryEnd::kInterrupted;
    entry.error.reset();
  } else {
    entry.end = HistoryEnd::kError;
    if (!entry.error) {
      entry.error.emplace();
      entry.error->message = "the server's history calls the prompt failed and names no error";
    }
  }
}

absl::Status not_an_object() {
  return absl::InvalidArgumentError("the history is no JSON object");
}

}  // namespace

absl::StatusOr<std::optional<HistoryEntry>> parse_history(std::string_view text, std::string_view prompt_id) {
  const auto document = parse_comfy_json(text);
  if (!document.ok()) return document.status();
  if (!document->root().is_object()) return not_an_object();
  const ComfyValue value = document->root()[prompt_id];
  if (!value) return std::optional<HistoryEntry>();
  if (!value.is_object()) return absl::InvalidArgumentError("the history entry is no JSON object");
  HistoryEntry entry;
  read_end(entry, value["status"]);
  for (const auto& [node_id, output] : value["outputs"].members()) append_files(entry.files, node_id, output);
  entry.outputs_json = value["outputs"].is_object() ? value["outputs"].to_json() : "{}";
  entry.execution_id = execution_id_of(value["prompt"]);
  return std::optional<HistoryEntry>(std::move(entry));
}

absl::StatusOr<std::vector<QueueItem>> parse_history_listing(std::string_view text) {
  const auto document = parse_comfy_json(text);
  if (!document.ok()) return document.status();
  if (!document->root().is_object()) return not_an_object();
  std::vector<QueueItem> out;
  for (const auto& [prompt_id, entry] : document->root().members()) {
    out.push_back({.prompt_id = prompt_id,
                   .chosen_id = chosen_id_of(entry["prompt"]),
                   .number = entry["prompt"][std::size_t{0}].number().value_or(0)});
  }
  return out;
}

}  // namespace renderyard::domain
