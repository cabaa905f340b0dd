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

}  // namespace

NodeDefs::NodeDefs(const Generation& generation) : all_(read_definitions("core-" + std::string(generation.version))) {
  for (auto& [name, definition] : read_definitions("test-nodes")) all_[name] = std::move(definition);
}

const json::object* NodeDefs::find(std::string_view class_type) const {
  const json::value* found = all_.if_contains(json::string_view(class_type.data(), class_type.size()));
  return found == nullptr ? nullptr : &found->as_object();
}

bool NodeDefs::is_output(std::string_view class_type) const {
  const json::object* definition = find(class_type);
  return definition != nullptr && definition->at("output_node").as_bool();
}

json::object NodeDefs::describe(const std::vector<std::string>& inputs) const {
  json::object out = all_;
  json::array choices;
  for (const std::string& name : inputs) choices.emplace_back(name);
  out.at("LoadImage").at("input").at("required").at("image").at(0) = std::move(choices);
  return out;
}

const json::array& NodeDefs::checkpoints() const {
  return all_.at("CheckpointLoaderSimple").at("input").at("required").at("ckpt_name").at(0).as_array();
}

std::shared_ptr<const NodeDefs> shared_node_defs(const Generation& generation) {
  static std::mutex mutex;
  static std::map<std::string_view, std::weak_ptr<const NodeDefs>> known;
  const std::lock_guard lock(mutex);
  std::weak_ptr<const NodeDefs>& place = known[generation.version];
  std::shared_ptr<const NodeDefs> out = place.lock();
  if (out == nullptr) place = out = std::make_shared<const NodeDefs>(generation);
  return out;
}

}  // namespace comfysim
