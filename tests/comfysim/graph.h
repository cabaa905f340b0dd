// The workflow of a running prompt, which nodes may extend while it runs (comfy_execution.graph.DynamicPrompt).
#ifndef RENDERYARD_TESTS_COMFYSIM_GRAPH_H_
#define RENDERYARD_TESTS_COMFYSIM_GRAPH_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/comfysim/node_inputs.h"
#include "tests/comfysim/pyjson.h"
#include "tests/comfysim/values.h"

namespace comfysim {

// Where an input comes from: output `slot` of `node`.
struct Link {
  std::string node;
  std::size_t slot = 0;
};

// The link an input is; nullopt when it is a constant or a value.
std::optional<Link> link_of(const NodeInputs::Input& input);

struct GraphNode {
  std::string class_type;
  std::vector<std::pair<std::string, NodeInputs::Input>> inputs;  // in the order of the workflow; links as [node, slot]
  std::string display;                                            // the node the user knows
  std::optional<std::string> parent;                              // the node that made it while running
};

// Used by the worker only.
class Graph {
 public:
  explicit Graph(const json::object& prompt);

  // Adds the nodes `parent` expands to, under ids like "5.0.0.1"; returns what their local ids became.
  std::map<std::string, std::string> expand(const std::string& parent, const Expansion& expansion);

  // Throws std::out_of_range for an unknown id.
  const GraphNode& node(const std::string& id) const { return nodes_.at(id); }
  bool was_sent(const std::string& id) const { return !node(id).parent.has_value(); }
  // All ids, those of the sent workflow first and in its order.
  const std::vector<std::string>& ids() const { return order_; }

 private:
  std::map<std::string, GraphNode> nodes_;
  std::vector<std::string> order_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_GRAPH_H_
