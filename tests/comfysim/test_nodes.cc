// The nodes the recordings were made with: slow, failing, deaf, talking ones.
#include "tests/comfysim/nodes.h"

namespace comfysim {
namespace {

// SimSlow and BridgeSlow: sleeps in `steps` parts and reports progress after each.
NodeOutput slow(const NodeInputs& in, NodeHost& host) {
  const std::int64_t steps = in.integer("steps");
  const std::string kind = in.has("preview") ? in.text("preview") : "none";
  const Batch images = in.has("image") ? in.linked<Batch>("image") : Batch{share(Picture(8, 8))};
  for (std::int64_t step = 1; step <= steps; ++step) {
    host.sleep(in.number("seconds") / static_cast<double>(steps));
    std::optional<Preview> preview;
    if (kind != "none") preview = Preview{to_preview(*images.at(0)), kind == "PNG"};
    host.progress(step, steps, preview);
  }
  return images_out(images);
}

NodeOutput fail(const NodeInputs& in, NodeHost&) {
  throw NodeError("ValueError", in.text("message"));
}

// Sleeps without looking at interrupts.
NodeOutput deaf(const NodeInputs& in, NodeHost& host) {
  host.sleep(in.number("seconds"));
  return images_out(in.linked<Batch>("image"));
}

NodeOutput deaf_out(const NodeInputs& in, NodeHost& host) {
  host.sleep(in.number("seconds"));
  NodeOutput out;
  out.ui = json::object{{"text", json::array{"done"}}};
  return out;
}

NodeOutput show_text(const NodeInputs& in, NodeHost& host) {
  host.send_text("progress text: " + in.text("text"));
  NodeOutput out;
  out.ui = json::object{{"text", json::array{json::string(in.text("text"))}}};
  return out;
}

}  // namespace

const NodeFunctions& test_node_functions() {
  static const NodeFunctions kFunctions = {
      {"SimSlow", slow},    {"BridgeSlow", slow},        {"BridgeFail", fail},
      {"BridgeDeaf", deaf}, {"BridgeDeafOut", deaf_out}, {"BridgeText", show_text},
  };
  return kFunctions;
}

}  // namespace comfysim
