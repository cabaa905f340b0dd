#include "tests/comfysim/output_cache.h"

#include <utility>

#include "tests/comfysim/digest.h"

namespace comfysim {
namespace {

// Whether the input names a file that was uploaded, so that the content of the file counts.
bool takes_upload(const json::object& definition, const std::string& input) {
  const json::value* required = member(definition.at("input"), "required");
  const json::value* spec = required == nullptr ? nullptr : member(*required, input);
  const json::array* config = spec == nullptr ? nullptr : spec->if_array();
  return config != nullptr && config->size() > 1 && member(config->at(1), input + "_upload") != nullptr;
}

}  // namespace

void OutputCache::begin(const json::object& prompt, const NodeDefs& nodes, const Files& files) {
  signatures_.clear();
  std::map<std::string, NodeOutputPtr> kept;
  for (const auto& [key, node] : prompt) {
    std::set<std::string> open;
    const std::string& signature = sign(prompt, std::string(key), nodes, files, open);
    if (const auto found = outputs_.find(signature); found != outputs_.end()) kept.insert(*found);
  }
  outputs_ = std::move(kept);
}

const std::string& OutputCache::sign(const json::object& prompt, const std::string& id, const NodeDefs& nodes,
                                     const Files& files, std::set<std::string>& open) {
  if (const auto known = signatures_.find(id); known != signatures_.end()) return known->second;
  const json::value* node = prompt.if_contains(id);
  const json::value* inputs = node == nullptr ? nullptr : member(*node, "inputs");
  // Nodes that validation left out may be linked to nothing or in a circle; they never run.
  if (inputs == nullptr || !inputs->is_object() || !open.insert(id).second) {
    return signatures_[id] = "unusable " + id;
  }
  const std::string class_type(node->at("class_type").as_string());
  std::map<std::string, std::string> parts;
  for (const auto& [name, value] : inputs->get_object()) {
    const json::array* link = value.if_array();
    if (link != nullptr && link->size() == 2 && link->at(0).is_string()) {
      parts[std::string(name)] =
          sign(prompt, std::string(link->at(0).get_string()), nodes, files, open) + "/" + json::serialize(link->at(1));
    } else {
      parts[std::string(name)] = json::serialize(value);
    }
  }
  // Its IS_CHANGED is the time of day.
  if (class_type == "SaveImageWebsocket") parts["time"] = make_uuid();
  for (const char* name : {"image", "audio"}) {
    if (!takes_upload(*nodes.find(class_type), name)) continue;
    const json::value* file = member(*inputs, name);
    const auto bytes = file == nullptr ? std::nullopt : read_file(files.annotated(python_str(*file), "input"));
    parts["file"] = bytes ? sha256_hex(*bytes) : "none";
  }
  if (member(nodes.find(class_type)->at("input"), "hidden") != nullptr &&
      member(nodes.find(class_type)->at("input").at("hidden"), "unique_id") != nullptr) {
    parts["unique_id"] = id;
  }
  std::string all = class_type;
  for (const auto& [name, part] : parts) all += "\n" + name + "=" + part;
  open.erase(id);
  return signatures_[id] = sha256_hex(all);
}

NodeOutputPtr OutputCache::find(const std::string& node_id) const {
  const auto signature = signatures_.find(node_id);
  if (signature == signatures_.end()) return nullptr;
  const auto found = outputs_.find(signature->second);
  return found == outputs_.end() ? nullptr : found->second;
}

void OutputCache::store(const std::string& node_id, NodeOutputPtr output) {
  outputs_[signatures_.at(node_id)] = std::move(output);
}

}  // namespace comfysim
