#include "libs/common/domain/heard_prompt.h"

#include <utility>
#include <variant>

#include "libs/common/domain/comfy_json.h"

namespace renderyard::domain {

std::string_view to_string(HistoryEnd end) {
  switch (end) {
    case HistoryEnd::kSuccess:
      return "success";
    case HistoryEnd::kError:
      return "error";
    case HistoryEnd::kInterrupted:
      return "interrupted";
  }
  return "error";
}

std::optional<HistoryEnd> history_end_from(std::string_view text) {
  for (const HistoryEnd end : {HistoryEnd::kSuccess, HistoryEnd::kError, HistoryEnd::kInterrupted}) {
    if (text == to_string(end)) return end;
  }
  return std::nullopt;
}

void HeardPrompt::apply(const ComfyMessage& message, std::uint64_t stream) {
  anything_ = true;
  if (std::holds_alternative<ExecutionStart>(message)) {
    started_ = true;
    start_stream_ = stream;
  } else if (const auto* cached = std::get_if<ExecutionCached>(&message)) {
    cached_.insert(cached->nodes.begin(), cached->nodes.end());
  } else if (const auto* executing = std::get_if<Executing>(&message)) {
    started_ = true;
    if (executing->node) return;
    over_ = true;
    // Servers of mid 2024 have no execution_success: an end without a word of error or interruption is one, for who
    // heard every word.
    if (!end_ && start_stream_ == stream) hear_end(HistoryEnd::kSuccess, stream);
  } else if (const auto* executed = std::get_if<Executed>(&message)) {
    started_ = true;
    if (cached_.contains(executed->node)) repeats_cached_ = true;
    // Cached nodes without output come with null: it adds nothing and replaces nothing.
    if (executed->output_json != "null") outputs_.insert_or_assign(executed->node, executed->output_json);
  } else if (const auto* success = std::get_if<ExecutionSuccess>(&message)) {
    started_ = true;
    hear_end(HistoryEnd::kSuccess, stream);
    ended_at_ = success->at;
  } else if (const auto* error = std::get_if<ExecutionError>(&message)) {
    started_ = true;
    if (!error->ends_prompt) return;
    hear_end(HistoryEnd::kError, stream);
    error_ = *error;
  } else if (std::holds_alternative<ExecutionInterrupted>(message)) {
    hear_end(HistoryEnd::kInterrupted, stream);
  } else if (std::holds_alternative<ProgressState>(message)) {
    started_ = true;
    repeats_cached_ = true;  // every server with progress_state does
  }
}

void HeardPrompt::hear_end(HistoryEnd end, std::uint64_t stream) {
  end_ = end;
  unbroken_ = start_stream_ != 0 && start_stream_ == stream;
}

void HeardPrompt::restore(Stored stored) {
  anything_ = true;
  started_ = true;
  end_ = stored.end;
  error_ = std::move(stored.error);
  ended_at_ = stored.ended_at;
  restored_whole_ = stored.whole;
  const auto document = parse_comfy_json(stored.outputs_json);
  if (!document.ok()) return;
  for (const auto& [node_id, output] : document->root().members()) outputs_.insert_or_assign(node_id, output.to_json());
}

bool HeardPrompt::whole() const {
  if (end_ != HistoryEnd::kSuccess) return false;
  // A server that says nothing of cached output nodes leaves them to the history.
  return restored_whole_ || (unbroken_ && (cached_.empty() || repeats_cached_));
}

std::string HeardPrompt::outputs_json() const {
  std::string json = "{";
  for (const auto& [node, output] : outputs_) {
    if (json.size() > 1) json += ',';
    append_json_string(json, node);
    json += ':';
    json += output;
  }
  return json + "}";
}

WithoutHistory without_history(const HeardPrompt& heard) {
  if (!heard.end()) return WithoutHistory::kUnknown;
  if (heard.end() == HistoryEnd::kSuccess && !heard.whole()) return WithoutHistory::kOutputsMissing;
  return WithoutHistory::kAsHeard;
}

}  // namespace renderyard::domain
