#include "tests/comfysim/run_reporter.h"

#include <utility>

#include "tests/comfysim/ledger.h"

namespace comfysim {
namespace {

constexpr auto kLeastInterval = std::chrono::milliseconds(100);
constexpr double kLeastChange = 0.005;  // of the whole

std::string big_endian(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
  return out;
}

// client_id of extra_data. One that is no string matches no socket, but is not absent either.
Sid client_of(const json::object& extra_data) {
  const json::value* id = extra_data.if_contains("client_id");
  if (id == nullptr || id->is_null()) return std::nullopt;
  if (!id->is_string()) return std::string("\0", 1) + json::serialize(*id);
  return std::string(id->get_string());
}

}  // namespace

RunReporter::RunReporter(const Generation& generation, MessageSink& sink, const PromptItem& item, const Graph& graph)
    : generation_(generation), sink_(sink), item_(item), graph_(graph), client_(client_of(item.extra_data)) {}

void RunReporter::start() {
  add_message("execution_start", {{"prompt_id", item_.prompt_id}}, false);
}

void RunReporter::cached(json::array nodes) {
  add_message("execution_cached", {{"nodes", std::move(nodes)}, {"prompt_id", item_.prompt_id}}, false);
}

void RunReporter::success() {
  if (generation_.timestamps) add_message("execution_success", {{"prompt_id", item_.prompt_id}}, false);
}

void RunReporter::interrupted(const std::string& node, const json::array& executed) {
  add_message(
      "execution_interrupted",
      {{"prompt_id", item_.prompt_id}, {"node_id", node}, {"node_type", class_of(node)}, {"executed", executed}}, true);
}

void RunReporter::error(const std::string& node, const json::array& executed, json::object details) {
  json::object data = {
      {"prompt_id", item_.prompt_id}, {"node_id", node}, {"node_type", class_of(node)}, {"executed", executed}};
  for (auto& [key, value] : details) data[key] = std::move(value);
  add_message("execution_error", std::move(data), false);
}

void RunReporter::blocked(const std::string& node, const json::array& executed, const std::string& message) {
  sink_.send(client_, "execution_error",
             {{"prompt_id", item_.prompt_id},
              {"node_id", node},
              {"node_type", class_of(node)},
              {"executed", executed},
              {"exception_message", "Execution Blocked: " + message},
              {"exception_type", "ExecutionBlocked"},
              {"traceback", json::array()},
              {"current_inputs", json::array()},
              {"current_outputs", json::array()}});
}

void RunReporter::executing(const std::string& node) {
  set_progress(node, 0.0, 1.0, "running");
  send_progress_state();
  json::object data = {{"node", node}};
  if (generation_.graph_executor) data["display_node"] = graph_.node(node).display;
  data["prompt_id"] = item_.prompt_id;
  send_to_client("executing", std::move(data));
}

void RunReporter::progress(const std::string& node, std::int64_t value, std::int64_t max,
                           const std::optional<Preview>& preview) {
  const auto now = std::chrono::steady_clock::now();
  Progress& reported = reported_[node];
  const bool due = now - reported.last_report >= kLeastInterval &&
                   static_cast<double>(value - reported.last_value) >= kLeastChange * static_cast<double>(max);
  if (generation_.throttled_progress && reported.last_value >= 0 && value < max && !preview && !due) return;
  reported = {value, now};
  const bool with_metadata = sink_.wants_preview_metadata(client_);
  set_progress(node, value, max, "running");
  send_progress_state();
  if (preview && with_metadata) send_preview(node, *preview, true);
  json::value shown = nullptr;  // the old servers know the node only when there is a client
  if (generation_.graph_executor || client_) shown = node;
  sink_.send(client_, "progress", {{"value", value}, {"max", max}, {"prompt_id", item_.prompt_id}, {"node", shown}});
  if (preview && !with_metadata) send_preview(node, *preview, false);
}

void RunReporter::send_preview(const std::string& node, const Preview& preview, bool with_metadata) {
  const std::string image = encode_preview(preview);
  if (!with_metadata) {
    sink_.send_binary(client_, BinaryEvent::kPreviewImage, big_endian(preview.png ? 2 : 1) + image);
    return;
  }
  const std::string& display = graph_.node(node).display;
  const json::object metadata = {{"node_id", node},
                                 {"prompt_id", item_.prompt_id},
                                 {"display_node_id", display},
                                 {"parent_node_id", parent_of(node)},
                                 {"real_node_id", display},
                                 {"image_type", preview.png ? "image/png" : "image/jpeg"}};
  const std::string text = dump_json(metadata);
  sink_.send_binary(client_, BinaryEvent::kPreviewImageWithMetadata,
                    big_endian(static_cast<std::uint32_t>(text.size())) + text + image);
}

void RunReporter::text(const std::string& node, const std::string& text) {
  if (!generation_.text_frames) return;
  // Core nodes give no client here, so everybody gets it.
  sink_.send_binary(std::nullopt, BinaryEvent::kText,
                    big_endian(static_cast<std::uint32_t>(node.size())) + node + text);
}

void RunReporter::executed(const std::string& node, const NodeOutput& output) {
  keep(node, output);
  if (output.unserializable && client_) sink_.send_unserializable(client_);
  if (output.ui) send_executed(node, *output.ui);
}

void RunReporter::send_executed(const std::string& node, json::value ui) {
  json::object data = {{"node", node}};
  if (generation_.graph_executor) data["display_node"] = graph_.node(node).display;
  data["output"] = std::move(ui);
  data["prompt_id"] = item_.prompt_id;
  send_to_client("executed", std::move(data));
}

void RunReporter::finished(const std::string& node) {
  const json::value max = states_.at(state_of_.at(node)).max;
  set_progress(node, max, max, "finished");
  send_progress_state();
}

void RunReporter::reused(const std::string& node, const NodeOutput& output) {
  json::value ui = nullptr;
  if (output.ui) ui = *output.ui;
  send_executed(node, std::move(ui));
  keep(node, output);
  set_progress(node, 1, 1, "finished");
  send_progress_state();
}

void RunReporter::keep(const std::string& node, const NodeOutput& output) {
  if (!output.ui) return;
  outputs_[node] = *output.ui;
  const std::string& display = graph_.node(node).display;
  meta_[node] = {
      {"node_id", node}, {"display_node", display}, {"parent_node", parent_of(node)}, {"real_node_id", display}};
}

json::object RunReporter::history_entry(bool success) {
  json::object status = {
      {"status_str", success ? "success" : "error"}, {"completed", success}, {"messages", std::move(messages_)}};
  json::array prompt = item_.to_json();
  if (generation_.secrets_out_of_history) hide_secrets(prompt.at(3).as_object());
  json::object out = {{"prompt", std::move(prompt)}, {"outputs", std::move(outputs_)}, {"status", std::move(status)}};
  if (generation_.graph_executor) out["meta"] = std::move(meta_);
  return out;
}

json::value RunReporter::parent_of(const std::string& node) const {
  const std::optional<std::string>& parent = graph_.node(node).parent;
  return parent ? json::value(*parent) : json::value(nullptr);
}

void RunReporter::set_progress(const std::string& node, json::value value, json::value max, const char* state) {
  const std::string& display = graph_.node(node).display;
  const auto known = state_of_.emplace(node, states_.size());
  if (known.second) states_.emplace_back();
  NodeState& entry = states_[known.first->second];
  const json::object data = {{"value", std::move(value)},
                             {"max", max},
                             {"state", state},
                             {"node_id", node},
                             {"prompt_id", item_.prompt_id},
                             {"display_node_id", display},
                             {"parent_node_id", parent_of(node)},
                             {"real_node_id", display}};
  entry.max = std::move(max);
  entry.text = dump_json(json::string(node)) + ": " + dump_json(data);
}

void RunReporter::send_progress_state() {
  if (!generation_.progress_state) return;
  // Each message repeats all nodes: only what changed is written anew.
  std::string data = "{\"prompt_id\": " + dump_json(json::string(item_.prompt_id)) + ", \"nodes\": {";
  for (const NodeState& entry : states_) {
    if (&entry != &states_.front()) data += ", ";
    data += entry.text;
  }
  sink_.send_text(client_, "progress_state", data + "}}");
}

void RunReporter::send_to_client(std::string_view type, json::object data) {
  if (client_) sink_.send(client_, type, std::move(data));
}

void RunReporter::add_message(std::string_view type, json::object data, bool broadcast) {
  if (generation_.timestamps) data["timestamp"] = now_us() / 1000;
  messages_.push_back(json::array({json::string(type), data}));
  if (client_ || broadcast) sink_.send(client_, type, std::move(data));
}

}  // namespace comfysim
