#include "services/bridge/execution.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace renderyard::bridge {

namespace {

// Nothing that anybody has to act on at once.
bool only_progress(const domain::ComfyMessage& message, const domain::SocketPictures& pictures) {
  if (std::holds_alternative<domain::PreviewImage>(message)) return !pictures.waiting();
  return std::holds_alternative<domain::NodeProgress>(message) ||
         std::holds_alternative<domain::ProgressState>(message);
}

}  // namespace

Execution::Execution(ports::ExecutionRow execution_row, base::Strand& strand, base::Clock& clock)
    : row(std::move(execution_row)),
      progress({}),
      begun_at(clock.now()),
      clock_(clock),
      changed_(strand, clock),
      read_at_(clock.now()) {
  cancel_wished_ = row.cancel_requested_at.has_value();
  if (row.state == domain::ExecutionState::kCollecting) {
    if (row.heard_whole) outputs_from = kFromEvents;
    return;
  }
  const std::optional<domain::HistoryEnd> end = domain::history_end_from(row.heard_end.value_or(""));
  if (!end) return;
  domain::HeardPrompt::Stored stored;
  stored.end = *end;
  stored.outputs_json = row.heard_outputs.value_or("");
  stored.whole = row.heard_whole;
  stored.ended_at = row.prompt_ended_at;
  if (row.error) {
    stored.error.emplace();
    stored.error->message = row.error->message;
    stored.error->node_id = row.error->node_id;
    stored.error->node_type = row.error->node_class;
  }
  heard_.restore(std::move(stored));
}

const std::string& Execution::prompt_id() const {
  return row.comfyui_prompt_id ? *row.comfyui_prompt_id : row.client_prompt_id;
}

void Execution::hear(const domain::ComfyMessage& message, std::uint64_t stream) {
  heard_.apply(message, stream);
  last_heard_at_ = clock_.now();
  progress.apply(message);
  pictures.apply(message, stream);
  if (on_heard) on_heard(message);
  const bool quiet = progress_wakes != ProgressWakes::kAlways && only_progress(message, pictures);
  if (quiet && progress_wakes == ProgressWakes::kByNews && !has_progress_news()) return;
  progress_heard_at = std::min(progress_heard_at, last_heard_at_);
  if (quiet && std::exchange(progress_wakes, ProgressWakes::kNever) == ProgressWakes::kNever) return;
  changed_.notify();
}

void Execution::load(domain::WorkflowInfo info) {
  std::vector<std::string> nodes;
  for (const auto& [id, node] : info.nodes) nodes.push_back(id);
  workflow = std::move(info);
  pictures = domain::SocketPictures(domain::socket_picture_nodes(workflow));
  progress = domain::ProgressTracker(std::move(nodes));
  progress.raise_to(row.progress_percent);
}

void Execution::know_job(const ports::StartedExecution& loaded) {
  limits = domain::limits_of(loaded.parameters_json);
  job_type = loaded.job_type;
  character_id = loaded.character_id;
  cluster_epoch = loaded.cluster_epoch;
}

void Execution::replace_row(ports::ExecutionRow now) {
  row = std::move(now);
  read_at_ = clock_.now();
}

void Execution::wish_cancel() {
  if (cancel_wished_) return;
  cancel_wished_ = true;
  changed_.notify();
}

void Execution::give_up() {
  given_up_ = true;
  changed_.notify();
}

}  // namespace renderyard::bridge
