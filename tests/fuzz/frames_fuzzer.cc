// WebSocket frames as the bridge reads them. An input that begins with 'T' has text frames, one a line, the messages of
// one socket in order, which also go through what keeps account of a prompt; any other first byte is followed by one
// binary frame.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "libs/common/domain/comfy_message.h"
#include "libs/common/domain/heard_prompt.h"
#include "libs/common/domain/progress.h"
#include "tests/fuzz/check.h"

namespace {

using namespace renderyard::domain;
using renderyard::fuzz::check;
using renderyard::fuzz::check_json;
using renderyard::fuzz::check_text;

// Everything of a message that may come to a column or a log line.
struct Storable {
  void operator()(const ComfyStatus& m) const {
    check_text("sid", m.sid);
    check(!m.queue_remaining || *m.queue_remaining >= 0, "a queue is not shorter than empty");
  }
  void operator()(const ExecutionStart&) const {}
  void operator()(const ExecutionCached& m) const {
    for (const auto& node : m.nodes) check_text("cached node", node);
  }
  void operator()(const Executing& m) const {
    check(!m.node || !m.node->empty(), "a node has an id");
    check_text("node", m.node.value_or(""));
    check_text("display node", m.display_node);
  }
  void operator()(const NodeProgress& m) const { check_text("node", m.node); }
  void operator()(const ProgressState& m) const {
    for (const auto& node : m.nodes) {
      check_text("node", node.id);
    }
  }
  void operator()(const Executed& m) const {
    check_text("node", m.node);
    check_json("output", m.output_json);
    for (const auto& file : m.files) {
      check_text("file", file.filename);
      check_text("subfolder", file.subfolder);
      check_text("kind", file.kind);
      check_text("type", file.type);
      check(!file.filename.empty(), "a file has a name");
    }
  }
  void operator()(const ExecutionSuccess&) const {}
  void operator()(const ExecutionError& m) const {
    check_text("message", m.message);
    check_text("node", m.node_id);
    check_text("class", m.node_type);
    check_text("exception", m.exception_type);
  }
  void operator()(const ExecutionInterrupted& m) const {
    check_text("node", m.node_id);
    check_text("class", m.node_type);
  }
  void operator()(const PreviewImage& m) const {
    check_text("node", m.node_id);
    check_text("content type", m.content_type);
  }
  void operator()(const TextFrame& m) const {
    check_text("node", m.node_id);
    check_text("text", m.text);
  }
  void operator()(const FeatureFlags& m) const { check_json("feature flags", m.json); }
  void operator()(const UnknownMessage& m) const { check_text("type", m.type); }
};

void read_lines(std::string_view lines) {
  HeardPrompt heard;
  ProgressTracker progress({"1", "2", "3"});
  int percent = 0;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    const auto message = parse_text_frame(line);
    if (!message.ok()) continue;
    std::visit(Storable(), *message);
    check_text("prompt", prompt_id_of(*message));
    heard.apply(*message, 1);
    progress.apply(*message);
    check(progress.percent() >= percent, "progress never goes back");
    percent = progress.percent();
    check(percent <= 99, "100 is said by nobody but the end");
    check_text("current node", progress.current_node());
  }
  const std::string outputs = heard.outputs_json();
  check(renderyard::testing::check_json_object("heard outputs", outputs).ok(), "heard outputs", outputs);
  // What is stored and read back by the next process is the same.
  HeardPrompt next;
  next.restore({.end = heard.end().value_or(HistoryEnd::kError), .outputs_json = outputs, .whole = heard.whole()});
  check(next.outputs_json() == outputs, "stored outputs stay", outputs);
  check(next.whole() == heard.whole() || heard.end() != HistoryEnd::kSuccess, "whole stays");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return -1;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'T') {
    read_lines(rest);
  } else if (const auto message = parse_binary_frame(rest); message.ok()) {
    std::visit(Storable(), *message);
    check_text("prompt", prompt_id_of(*message));
  }
  return 0;
}
