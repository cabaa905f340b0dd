#include "tests/comfysim/graph.h"

namespace comfysim {

std::optional<Link> link_of(const NodeInputs::Input& input) {
  const auto* constant = std::get_if<json::value>(&input);
  const json::array* link = constant == nullptr ? nullptr : constant->if_array();
  if (link == nullptr || link->size() != 2 || !link->at(0).is_string() || !link->at(1).is_number()) return std::nullopt;
  return Link{std::string(link->at(0).get_string()), static_cast<std::size_t>(link->at(1).to_number<std::int64_t>())};
}

Graph::Graph(const json::object& prompt) {
  for (const auto& [key, value] : prompt) {
    const std::string id(key);
    GraphNode node{std::string(value.at("class_type").as_string()), {}, id, std::nullopt};
    // Nodes that validation left out may lack their inputs; they never run.
    if (const json::value* inputs = member(value, "inputs"); inputs != nullptr && inputs->is_object()) {
      for (const auto& [name, input] : inputs->get_object()) node.inputs.emplace_back(std::string(name), input);
    }
    nodes_.emplace(id, std::move(node));
    order_.push_back(id);
  }
}

std::map<std::string, std::string> Graph::expand(const std::string& parent, const Expansion& expansion) {
  std::map<std::string, std::string> ids;
  // Second and third part: which call of the node, and which of its graphs; ours have one of each.
  for (const ExpandedNode& made : expansion.nodes) ids[made.id] = parent + ".0.0." + made.id;
  const std::string display = node(parent).display;
  for (const ExpandedNode& made : expansion.nodes) {
    GraphNode node{made.class_type, {}, display, parent};
    for (const auto& [name, input] : made.inputs) {
      NodeInputs::Input resolved = input;
      if (const std::optional<Link> link = link_of(input)) {
        resolved = json::value(json::array{json::string(ids.at(link->node)), link->slot});
      }
      node.inputs.emplace_back(name, std::move(resolved));
    }
    nodes_.emplace(ids.at(made.id), std::move(node));
    order_.push_back(ids.at(made.id));
  }
  return ids;
}

}  // namespace comfysim
