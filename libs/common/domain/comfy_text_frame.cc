// Text frames of the WebSocket: {"type": string, "data": object}.
#include <algorithm>
#include <array>
#include <utility>

#include "libs/common/domain/comfy_fields.h"
#include "libs/common/domain/comfy_json.h"
#include "libs/common/domain/comfy_message.h"

namespace renderyard::domain {

namespace {

ComfyMessage read_status(ComfyValue data) {
  ComfyStatus status;
  if (const auto remaining = data["status"]["exec_info"]["queue_remaining"].number()) {
    status.queue_remaining = static_cast<int>(std::clamp(*remaining, 0.0, 1e9));
  }
  status.sid = data["sid"].string_or("");
  return status;
}

ComfyMessage read_start(ComfyValue data) {
  return ExecutionStart{.prompt_id = data["prompt_id"].id_text()};
}

ComfyMessage read_cached(ComfyValue data) {
  ExecutionCached cached{.prompt_id = data["prompt_id"].id_text(), .nodes = {}};
  for (const auto node : data["nodes"].items()) cached.nodes.push_back(node.id_text());
  return cached;
}

ComfyMessage read_executing(ComfyValue data) {
  Executing executing;
  executing.prompt_id = data["prompt_id"].id_text();
  const std::string node = data["node"].id_text();
  if (!node.empty()) {
    executing.node = node;
    executing.display_node = data["display_node"].id_text();
    if (executing.display_node.empty()) executing.display_node = node;
  }
  return executing;
}

ComfyMessage read_progress(ComfyValue data) {
  return NodeProgress{.prompt_id = data["prompt_id"].id_text(),
                      .node = data["node"].id_text(),
                      .value = data["value"].number().value_or(0),
                      .max = data["max"].number().value_or(0)};
}

ComfyMessage read_progress_state(ComfyValue data) {
  ProgressState state{.prompt_id = data["prompt_id"].id_text(), .nodes = {}};
  for (const auto& [id, node] : data["nodes"].members()) {
    NodeState out;
    out.id = id;
    out.value = node["value"].number().value_or(0);
    out.max = node["max"].number().value_or(1);
    out.finished = node["state"].string_or("") == "finished";
    state.nodes.push_back(std::move(out));
  }
  return state;
}

ComfyMessage read_executed(ComfyValue data) {
  Executed executed;
  executed.prompt_id = data["prompt_id"].id_text();
  executed.node = data["node"].id_text();
  executed.display_node = data["display_node"].id_text();
  if (executed.display_node.empty()) executed.display_node = executed.node;
  executed.output_json = data["output"].to_json();
  append_files(executed.files, executed.node, data["output"]);
  return executed;
}

ComfyMessage read_success(ComfyValue data) {
  return ExecutionSuccess{.prompt_id = data["prompt_id"].id_text(), .at = read_timestamp(data)};
}
ComfyMessage read_error(ComfyValue data) {
  return read_execution_error(data);
}
ComfyMessage read_interrupted(ComfyValue data) {
  return read_execution_interrupted(data);
}
ComfyMessage read_flags(ComfyValue data) {
  return FeatureFlags{.json = data.to_json()};
}

struct Reader {
  std::string_view type;
  ComfyMessage (*read)(ComfyValue data);
};

constexpr std::array kReaders = {
    Reader{"progress_state", read_progress_state},
    Reader{"progress", read_progress},
    Reader{"executing", read_executing},
    Reader{"executed", read_executed},
    Reader{"status", read_status},
    Reader{"execution_start", read_start},
    Reader{"execution_cached", read_cached},
    Reader{"execution_success", read_success},
    Reader{"execution_error", read_error},
    Reader{"execution_interrupted", read_interrupted},
    Reader{"feature_flags", read_flags},
};

struct PromptIdOf {
  template <class Message>
  std::string_view operator()(const Message& message) const {
    if constexpr (requires { message.prompt_id; }) {
      return message.prompt_id;
    } else {
      return {};
    }
  }
};

}  // namespace

namespace {

absl::StatusOr<ComfyMessage> read_frame(ComfyValue root) {
  const ComfyValue type = root["type"];
  if (!type.is_string()) return absl::InvalidArgumentError("a text frame without a type");
  const std::string name = type.string_or("");
  const ComfyValue data = root["data"];
  for (const auto& reader : kReaders) {
    // Custom nodes may use any type and any data; only objects can be the messages we know.
    if (reader.type == name && data.is_object()) return reader.read(data);
  }
  return UnknownMessage{.type = name};
}

}  // namespace

absl::StatusOr<ComfyMessage> parse_text_frame(std::string_view text) {
  ComfyParser parser;
  return parse_text_frame(text, parser);
}

absl::StatusOr<ComfyMessage> parse_text_frame(std::string_view text, ComfyParser& parser) {
  const absl::StatusOr<ComfyValue> root = parser.parse(text);
  if (!root.ok()) return root.status();
  return read_frame(*root);
}

std::string_view prompt_id_of(const ComfyMessage& message) {
  return std::visit(PromptIdOf{}, message);
}

}  // namespace renderyard::domain
