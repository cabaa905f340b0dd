#include "tests/integration/bridge/told.h"

#include <absl/strings/str_cat.h>

#include <variant>

namespace renderyard::testing {

namespace {

void add(std::string& text, const std::optional<std::string>& more) {
  if (more) absl::StrAppend(&text, *more, "\n");
}

void add(std::string& text, const std::optional<ports::JobError>& error) {
  if (error)
    absl::StrAppend(&text, error->code, " ", error->message, " ", error->node_id, " ", error->node_class, "\n");
}

void add_row(std::string& text, const ExecutionRecord& record) {
  const ports::ExecutionRow& row = record.row;
  for (const auto& one : {row.comfyui_prompt_id, row.client_id, row.outcome_proof, row.heard_end, row.heard_outputs,
                          row.witness_prompt_id, row.current_node, row.limit_passed, row.stray_outcome,
                          record.result_json, record.warnings_json, record.progress_message}) {
    add(text, one);
  }
  add(text, row.error);
}

void add_row(std::string& text, const ports::JobRow& row) {
  for (const auto& one :
       {row.name, row.metadata_json, row.result_json, row.progress_message, row.waiting_reason, row.warnings_json}) {
    add(text, one);
  }
  add(text, row.workflow);
  add(text, row.parameters_json);
  add(text, row.error);
}

void add_row(std::string& text, const InstanceRecord& record) {
  const ports::InstanceRow& row = record.row;
  absl::StrAppend(&text, row.name, " ", row.api_url, " ", row.ws_url, " ", row.circuit.reason, "\n");
  add(text, row.status_reason);
  if (!record.capabilities) return;
  absl::StrAppend(&text, record.capabilities->what.comfyui_version, "\n",
                  domain::models_json(record.capabilities->what), domain::devices_json(record.capabilities->what));
}

struct AddEvent {
  std::string& text;
  void operator()(const ports::InstanceNews& news) const { absl::StrAppend(&text, news.reason, "\n"); }
  void operator()(const ports::ProgressNews& news) const {
    absl::StrAppend(&text, news.progress.message, " ", news.progress.node_title, "\n");
  }
  void operator()(const ports::NodeStarted& node) const { absl::StrAppend(&text, node.node_id, node.node_title, "\n"); }
  void operator()(const ports::ExecutionEnded& end) const {
    add(text, end.error);
    for (const ports::OutputRow& output : end.outputs) absl::StrAppend(&text, output.filename, output.content_type);
  }
  void operator()(const ports::Preview& preview) const { absl::StrAppend(&text, preview.content_type, "\n"); }
};

}  // namespace

std::string told(BridgeLab& lab, const std::vector<ports::BridgeEvent>& events) {
  std::string text;
  for (const std::string& line : lab.journal_lines()) absl::StrAppend(&text, line, "\n");
  text += lab.metrics_page();
  const FakeTables& tables = lab.database().tables();
  for (const auto& [id, record] : tables.instances) add_row(text, record);
  for (const auto& [id, record] : tables.executions) add_row(text, record);
  for (const auto& [id, record] : tables.jobs) add_row(text, lab.database().view(record));
  for (const auto& [id, event] : tables.events) add(text, event.data_json);
  for (const auto& [id, output] : tables.outputs) absl::StrAppend(&text, output.filename, output.content_type, "\n");
  for (const auto& [key, entry] : lab.redis().entries()) absl::StrAppend(&text, key, " ", entry.value.status, "\n");
  for (const ports::BridgeEvent& event : events) std::visit(AddEvent{text}, event);
  return text;
}

std::string field_of(const std::string& line, const std::string& name) {
  const std::size_t at = line.find(" " + name + "=");
  if (at == std::string::npos) return "(none)";
  const std::size_t begin = at + name.size() + 2;
  return line.substr(begin, line.find(' ', begin) - begin);
}

std::vector<std::string> lines_of(const BridgeLab& lab, const std::string& event) {
  std::vector<std::string> lines;
  for (const std::string& line : lab.journal_lines()) {
    if (line == event || line.starts_with(event + " ")) lines.push_back(line);
  }
  return lines;
}

}  // namespace renderyard::testing
