#include "tests/comfysim/node_defs.h"

#include <map>
#include <mutex>
#include <stdexcept>

#include "tests/comfysim/definitions.h"

namespace comfysim {
namespace {

json::object read_definitions(const std::string& name) {
  std::optional<json::value> all = parse_json(definitions_text(name));
  if (!all) throw std::logic_error("definitions/" + name + ".json is no JSON");
  return std::move(all->as_object());
}

// The description without the fields that came later.
json::object of_generation(const json::object& newest, const Generation& generation) {
  json::object out;
  for (const auto& [field, value] : newest) {
    const bool ordering = field == "input_order" || field == "python_module";
    const bool latest = field == "is_input_list" || field == "has_intermediate_output" || field == "search_aliases";
    if ((!ordering || generation.input_order) && (!latest || generation.search_aliases)) out[field] = value;
  }
  return out;
}

}  // namespace

NodeDefs::NodeDefs(const Generation& generation) : all_(read_definitions("core-" + std::string(generation.name))) {
  for (const auto& [name, definition] : read_definitions("test-nodes")) {
    const bool needs_graph = name == "BridgeExpand" || name == "BridgeBlock";
    if ((needs_graph && !generation.graph_executor) || (name == "BridgeAsync" && !generation.async_nodes)) continue;
    all_[name] = of_generation(definition.as_object(), generation);
  }
}

const json::object* NodeDefs::find(std::string_view class_type) const {
  const json::value* found = all_.if_contains(json::string_view(class_type.data(), class_type.size()));
  return found == nullptr ? nullptr : &found->as_object();
}

bool NodeDefs::is_output(std::string_view class_type) const {
  const json::object* definition = find(class_type);
  return definition != nullptr && definition->at("output_node").as_bool();
}

std::shared_ptr<const NodeDefs> shared_node_defs(const Generation& generation) {
  static std::mutex mutex;
  static std::map<std::string_view, std::weak_ptr<const NodeDefs>> known;
  const std::lock_guard lock(mutex);
  std::weak_ptr<const NodeDefs>& place = known[generation.name];
  std::shared_ptr<const NodeDefs> out = place.lock();
  if (out == nullptr) place = out = std::make_shared<const NodeDefs>(generation);
  return out;
}

}  // namespace comfysim
