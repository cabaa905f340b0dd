// The nodes the recordings were made with: slow, failing, deaf, talking ones, and those that break a server.
#include <limits>

#include "tests/comfysim/nodes.h"

namespace comfysim {
namespace {

// SimSlow and BridgeSlow: sleeps in `steps` parts and reports progress after each.
NodeOutput slow(const NodeInputs& in, NodeHost& host) {
  const std::int64_t steps = in.integer("steps");
  const std::string kind = in.has("preview") ? in.text("preview") : "none";
  const Batch images = in.has("image") ? in.linked<Batch>("image") : Batch{share(Picture(8, 8))};
  std::optional<Preview> preview;  // the same at every step
  if (kind != "none") {
    preview = Preview{to_preview(*images.at(0)), kind == "PNG"};
    preview->file = std::make_shared<const std::string>(encode_preview(*preview));
  }
  for (std::int64_t step = 1; step <= steps; ++step) {
    host.sleep(in.number("seconds") / static_cast<double>(steps));
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

// The three that JSON does not have.
NodeOutput not_a_number(const NodeInputs&, NodeHost&) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  NodeOutput out;
  out.ui = json::object{{"values", {std::numeric_limits<double>::quiet_NaN(), kInfinity, -kInfinity}}};
  return out;
}

NodeOutput bad_ui(const NodeInputs&, NodeHost&) {
  NodeOutput out;
  out.unserializable = true;
  return out;
}

// SystemExit, which ComfyUI does not catch.
NodeOutput worker_death(const NodeInputs&, NodeHost& host) {
  host.end_worker();
  return {};
}

NodeOutput block(const NodeInputs&, NodeHost&) {
  NodeOutput out;
  out.values.emplace_back(Blocked{"blocked on purpose"});
  return out;
}

// Becomes two slow nodes, one after the other, and a preview of what comes out of them.
NodeOutput become_three(const NodeInputs& in, NodeHost&) {
  const json::value seconds = in.number("seconds");
  const auto slow_node = [&](const char* id, std::variant<json::value, Value> image) {
    return ExpandedNode{id,
                        "BridgeSlow",
                        {{"image", std::move(image)},
                         {"seconds", seconds},
                         {"steps", json::value(2)},
                         {"preview", json::value("none")}}};
  };
  Expansion expansion;
  expansion.nodes.push_back(slow_node("1", Value(in.linked<Batch>("image"))));
  expansion.nodes.push_back(slow_node("2", json::value(json::array{"1", 0})));
  expansion.nodes.push_back({"3", "PreviewImage", {{"images", json::value(json::array{"2", 0})}}});
  expansion.results = {{"2", 0}};
  NodeOutput out;
  out.expansion = std::move(expansion);
  return out;
}

NodeOutput async(const NodeInputs& in, NodeHost&) {
  const std::int64_t steps = in.integer("steps");
  NodeOutput out = images_out(in.linked<Batch>("image"));
  out.async = AsyncWork{steps, in.number("seconds") / static_cast<double>(steps)};
  return out;
}

NodeOutput pick(const NodeInputs& in, NodeHost&) {
  return images_out(in.linked<Batch>("image"));
}

}  // namespace

const NodeFunctions& test_node_functions() {
  static const NodeFunctions kFunctions = {
      {"SimSlow", slow},           {"BridgeSlow", slow},           {"BridgeFail", fail},
      {"BridgeDeaf", deaf},        {"BridgeDeafOut", deaf_out},    {"BridgeText", show_text},
      {"BridgeNaN", not_a_number}, {"BridgeBadUi", bad_ui},        {"BridgeWorkerDeath", worker_death},
      {"BridgeBlock", block},      {"BridgeExpand", become_three}, {"BridgeAsync", async},
      {"BridgePick", pick},
  };
  return kFunctions;
}

}  // namespace comfysim
