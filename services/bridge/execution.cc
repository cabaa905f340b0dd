#include "services/bridge/execution.h"

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <utility>
#include <variant>

namespace renderyard::bridge {

Execution::Execution(ports::ExecutionRow execution_row, base::Strand& strand, base::Clock& clock)
    : row(std::move(execution_row)), progress({}), clock_(clock), changed_(strand, clock) {
  cancel_wished_ = row.cancel_requested_at.has_value();
}

const std::string& Execution::prompt_id() const {
  return row.comfyui_prompt_id ? *row.comfyui_prompt_id : row.client_prompt_id;
}

void Execution::hear(const domain::ComfyMessage& message) {
  heard_.anything = true;
  heard_.last_at = clock_.now();
  progress.apply(message);
  if (std::holds_alternative<domain::ExecutionStart>(message)) {
    heard_.started = true;
  } else if (const auto* executing = std::get_if<domain::Executing>(&message)) {
    heard_.started = true;
    if (!executing->node) heard_.over = true;
  } else if (const auto* executed = std::get_if<domain::Executed>(&message)) {
    heard_.started = true;
    // Cached nodes of some versions come with a null output: it adds nothing and replaces nothing.
    if (executed->output_json != "null") {
      auto [it, fresh] = heard_.outputs.insert_or_assign(executed->node, executed->output_json);
      if (fresh) heard_.files.insert(heard_.files.end(), executed->files.begin(), executed->files.end());
    }
  } else if (std::holds_alternative<domain::ExecutionSuccess>(message)) {
    heard_.started = true;
    heard_.end = domain::HistoryEnd::kSuccess;
  } else if (const auto* error = std::get_if<domain::ExecutionError>(&message)) {
    heard_.started = true;
    if (error->ends_prompt) {
      heard_.end = domain::HistoryEnd::kError;
      heard_.error = *error;
    }
  } else if (std::holds_alternative<domain::ExecutionInterrupted>(message)) {
    heard_.end = domain::HistoryEnd::kInterrupted;
  } else if (std::holds_alternative<domain::ProgressState>(message)) {
    heard_.started = true;
  }
  changed_.notify();
}

void Execution::load(domain::WorkflowInfo info) {
  std::vector<std::string> nodes;
  for (const auto& [id, node] : info.nodes) nodes.push_back(id);
  workflow = std::move(info);
  progress = domain::ProgressTracker(std::move(nodes));
  progress.raise_to(row.progress_percent);
}

void Execution::wish_cancel() {
  if (cancel_wished_) return;
  cancel_wished_ = true;
  changed_.notify();
}

std::string Execution::heard_outputs_json() const {
  std::string json = "{";
  for (const auto& [node, output] : heard_.outputs) {
    if (json.size() > 1) json += ',';
    json += boost::json::serialize(boost::json::string(node));
    json += ':';
    json += output;
  }
  return json + "}";
}

}  // namespace renderyard::bridge
