#include "tests/comfysim/validate.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/comfysim/coerce.h"
#include "tests/comfysim/node_defs.h"

namespace comfysim {
namespace {

struct NodeResult {
  bool valid = true;
  json::array errors;
};

json::string_view to_view(std::string_view text) {
  return {text.data(), text.size()};
}

class Validator {
 public:
  Validator(json::object& prompt, const Rules& rules) : prompt_(prompt), rules_(rules) {}

  NodeResult check_output(const std::string& id);
  const std::map<std::string, NodeResult>& results() const { return results_; }
  // Node ids in the order in which they were found to be bad or good.
  const std::vector<std::string>& order() const { return order_; }

 private:
  // The result of the node and all nodes before it; throws PythonError as Python does.
  bool check(const std::string& id);
  void check_input(const std::string& id, const std::string& name, const json::value& spec, bool required,
                   NodeResult& result);
  void check_link(const std::string& id, const std::string& name, const json::array& link, const json::array& config,
                  NodeResult& result);
  void check_value(const std::string& id, const std::string& name, const json::array& config, NodeResult& result);
  void report_cycle(const std::string& id);
  void store(const std::string& id, NodeResult result);
  std::string class_of(const json::value& id) const;

  json::object& prompt_;
  const Rules& rules_;
  std::map<std::string, NodeResult> results_;
  std::vector<std::string> order_;
  std::vector<std::string> path_;
};

// [type, options] of an input, options {} when it has none.
json::array config_of(const json::value& spec, const Choices& choices) {
  json::array out = std::move(choices.fill(spec).as_array());
  if (out.size() < 2) out.emplace_back(json::object());
  return out;
}

// The old servers show an input without options as it was declared.
json::object input_info(const std::string& name, json::array config, const Generation& generation) {
  if (!generation.graph_executor && config.size() == 2 && config[1] == json::object()) config.pop_back();
  return json::object{{"input_name", name}, {"input_config", std::move(config)}};
}

std::string Validator::class_of(const json::value& id) const {
  const json::value* node = id.is_string() ? prompt_.if_contains(id.get_string()) : nullptr;
  if (node == nullptr) throw PythonError("KeyError", python_repr(id));
  return std::string(node->at("class_type").as_string());
}

void Validator::store(const std::string& id, NodeResult result) {
  if (results_.emplace(id, std::move(result)).second) order_.push_back(id);
}

NodeResult Validator::check_output(const std::string& id) {
  try {
    check(id);
  } catch (const PythonError& error) {
    NodeResult failed{false, {}};
    failed.errors.push_back(make_error("exception_during_validation", "Exception when validating node", error.what(),
                                       {{"exception_type", error.type}, {"traceback", json::array()}}));
    store(id, std::move(failed));
    path_.clear();
  }
  return results_.at(id);
}

bool Validator::check(const std::string& id) {
  if (const auto found = results_.find(id); found != results_.end()) return found->second.valid;
  if (rules_.generation.dependency_cycle && std::find(path_.begin(), path_.end(), id) != path_.end()) {
    report_cycle(id);
    return false;
  }
  path_.push_back(id);
  json::object& node = prompt_.at(id).as_object();
  if (const json::value* inputs = node.if_contains("inputs"); inputs == nullptr || !inputs->is_object()) {
    throw PythonError("KeyError", "'inputs'");
  }
  const json::object& definition = *rules_.nodes.find(class_of(json::value(id)));
  NodeResult result;
  for (const char* category : {"required", "optional"}) {
    const json::value* specs = member(definition.at("input"), category);
    if (specs == nullptr) continue;
    for (const auto& [name, spec] : specs->as_object()) {
      check_input(id, std::string(name), spec, std::string_view(category) == "required", result);
    }
  }
  path_.pop_back();
  if (!result.errors.empty()) result.valid = false;
  const bool valid = result.valid;
  store(id, std::move(result));
  return valid && results_.at(id).valid;
}

void Validator::report_cycle(const std::string& id) {
  const auto first = std::find(path_.begin(), path_.end(), id);
  std::string route;
  json::array members;
  for (auto it = first; it != path_.end(); ++it) {
    route += *it + " (" + class_of(json::value(*it)) + ") -> ";
    members.emplace_back(*it);
  }
  route += id + " (" + class_of(json::value(id)) + ")";
  for (const json::value& node : members) {
    NodeResult failed{false, {}};
    failed.errors.push_back(make_error("dependency_cycle", "Dependency cycle detected", route,
                                       {{"node_id", node}, {"cycle_nodes", members}}));
    store(std::string(node.as_string()), std::move(failed));
  }
}

void Validator::check_input(const std::string& id, const std::string& name, const json::value& spec, bool required,
                            NodeResult& result) {
  json::object& inputs = prompt_.at(id).at("inputs").as_object();
  const json::value* value = inputs.if_contains(name);
  if (value == nullptr) {
    if (required) {
      result.errors.push_back(
          make_error("required_input_missing", "Required input is missing", name, {{"input_name", name}}));
    }
    return;
  }
  const json::array config = config_of(spec, rules_.choices);
  if (value->is_array()) {
    check_link(id, name, value->get_array(), config, result);
  } else {
    check_value(id, name, config, result);
  }
}

void Validator::check_link(const std::string&, const std::string& name, const json::array& link,
                           const json::array& config, NodeResult& result) {
  json::object info = input_info(name, config, rules_.generation);
  if (link.size() != 2) {
    info["received_value"] = link;
    result.errors.push_back(make_error("bad_linked_input",
                                       "Bad linked input, must be a length-2 list of [node_id, slot_index]", name,
                                       std::move(info)));
    return;
  }
  const std::string source = class_of(link[0]);
  const json::array& outputs = rules_.nodes.find(source)->at("output").as_array();
  if (!link[1].is_int64()) throw PythonError("TypeError", "list indices must be integers or slices");
  const std::int64_t slot = link[1].get_int64();
  if (slot < 0 || static_cast<std::size_t>(slot) >= outputs.size()) {
    throw PythonError("IndexError", "tuple index out of range");
  }
  const json::value received = outputs[static_cast<std::size_t>(slot)];
  if (received != config[0] && received != "*") {
    info["received_type"] = received;
    info["linked_node"] = link;
    result.errors.push_back(make_error(
        "return_type_mismatch", "Return type mismatch between linked nodes",
        rules_.generation.graph_executor
            ? name + ", received_type(" + python_str(received) + ") mismatch input_type(" + python_str(config[0]) + ")"
            : name + ", " + python_str(received) + " != " + python_str(config[0]),
        std::move(info)));
    return;
  }
  const std::string linked(link[0].as_string());
  const std::vector<std::string> path = path_;
  try {
    if (!check(linked)) result.valid = false;
  } catch (const PythonError& error) {
    path_ = path;
    result.valid = false;
    info["exception_message"] = error.what();
    info["exception_type"] = error.type;
    info["traceback"] = json::array();
    info["linked_node"] = link;
    NodeResult failed{false, {}};
    failed.errors.push_back(make_error("exception_during_inner_validation", "Exception when validating inner node",
                                       error.what(), std::move(info)));
    store(linked, std::move(failed));
  }
}

void Validator::check_value(const std::string& id, const std::string& name, const json::array& config,
                            NodeResult& result) {
  json::value& value = prompt_.at(id).at("inputs").at(name);
  const std::string type = config[0].is_string() ? std::string(config[0].get_string()) : "COMBO";
  if (const json::value* wrapped = member(value, "__value__")) value = json::value(*wrapped);
  json::object info = input_info(name, config, rules_.generation);
  info["received_value"] = value;
  try {
    if (type == "INT") value = to_int(value);
    if (type == "FLOAT") value = to_float(value);
    if (type == "STRING" && !value.is_string()) value = json::value(python_str(value));
    if (type == "BOOLEAN") value = to_bool(value);
  } catch (const PythonError& error) {
    info["exception_message"] = error.what();
    result.errors.push_back(make_error("invalid_input_type", "Failed to convert an input value to a " + type + " value",
                                       name + ", " + python_str(value) + ", " + error.what(), std::move(info)));
    return;
  }
  const auto custom_info = [&] {
    return rules_.generation.short_custom_errors ? json::object{{"input_name", name}} : info;
  };
  // Every input that offers the files of the input folder looks for the file instead of comparing with the choices.
  if (member(config[1], name + "_upload") != nullptr) {
    std::error_code error;
    const std::string file = python_str(value);
    if (!std::filesystem::exists(rules_.files.annotated(file, "input"), error)) {
      result.errors.push_back(make_error("custom_validation_failed", "Custom validation failed for node",
                                         name + " - Invalid " + name + " file: " + file, custom_info()));
    }
    return;
  }
  if (class_of(json::value(id)) == "BridgePick" && name == "name" && value != "ok") {
    result.errors.push_back(make_error("custom_validation_failed", "Custom validation failed for node",
                                       "name - name must be ok", custom_info()));
    return;
  }
  info["received_value"] = value;
  const json::value* low = member(config[1], "min");
  const json::value* high = member(config[1], "max");
  if (low != nullptr && value.is_number() && is_less(value, *low)) {
    result.errors.push_back(make_error("value_smaller_than_min",
                                       "Value " + python_str(value) + " smaller than min of " + python_str(*low), name,
                                       info));
    return;
  }
  if (high != nullptr && value.is_number() && is_less(*high, value)) {
    result.errors.push_back(make_error("value_bigger_than_max",
                                       "Value " + python_str(value) + " bigger than max of " + python_str(*high), name,
                                       info));
    return;
  }
  // Nodes of the newer form say COMBO and have their choices among the options.
  const json::value* offered = config[0] == "COMBO" ? member(config[1], "options") : &config[0];
  if (offered == nullptr || !offered->is_array()) return;
  const json::array& choices = offered->get_array();
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  std::string listed = python_str(*offered);
  if (choices.size() > 20) {
    listed = "(list of length " + std::to_string(choices.size()) + ")";
    info["input_config"] = nullptr;
  }
  result.errors.push_back(make_error("value_not_in_list", "Value not in list",
                                     name + ": '" + python_str(value) + "' not in " + listed, std::move(info)));
}

// The error of a node whose class is missing; empty when all are known.
json::object find_unknown_class(const json::object& prompt, const Generation& generation, const NodeDefs& nodes) {
  for (const auto& [key, node] : prompt) {
    const std::string id(key);
    const json::value* class_type = member(node, "class_type");
    const bool known = class_type != nullptr && class_type->is_string() &&
                       nodes.find({class_type->get_string().data(), class_type->get_string().size()}) != nullptr;
    if (known) continue;
    const json::value* meta = member(node, "_meta");
    const json::value* title = meta == nullptr ? nullptr : member(*meta, "title");
    const std::string details = "Node ID '#" + id + "'";
    if (!generation.missing_node_type && class_type != nullptr) {
      return make_error("invalid_prompt", "Cannot execute because node " + python_str(*class_type) + " does not exist.",
                        details);
    }
    if (!generation.missing_node_type) {
      return make_error("invalid_prompt", "Cannot execute because a node is missing the class_type property.", details);
    }
    json::object info = {{"node_id", id}, {"class_type", nullptr}, {"node_title", nullptr}};
    if (title != nullptr) info["node_title"] = *title;
    if (class_type == nullptr) {
      const std::string name = title == nullptr ? "ID #" + id : python_str(*title);
      return make_error(
          "missing_node_type",
          "Node '" + name + "' has no class_type. The workflow may be corrupted or a custom node is missing.", details,
          std::move(info));
    }
    info["class_type"] = *class_type;
    if (title == nullptr) info["node_title"] = *class_type;
    const std::string name = python_str(info["node_title"]);
    return make_error("missing_node_type", "Node '" + name + "' not found. The custom node may not be installed.",
                      details, std::move(info));
  }
  return {};
}

// Ids of the output nodes that are asked for, in the order in which they are taken.
std::vector<std::string> find_outputs(const json::object& prompt, const std::optional<json::array>& targets,
                                      const Rules& rules) {
  std::vector<std::string> out;
  for (const auto& [key, node] : prompt) {
    const json::string& class_type = node.at("class_type").as_string();
    if (!rules.nodes.is_output({class_type.data(), class_type.size()})) continue;
    if (targets && std::find(targets->begin(), targets->end(), json::value(key)) == targets->end()) continue;
    out.emplace_back(key);
  }
  const auto place = [&](const std::string& id) {
    return std::find(rules.output_order.begin(), rules.output_order.end(), id) - rules.output_order.begin();
  };
  std::stable_sort(out.begin(), out.end(),
                   [&](const std::string& a, const std::string& b) { return place(a) < place(b); });
  return out;
}

}  // namespace

json::object make_error(std::string_view type, std::string_view message, std::string_view details,
                        json::object extra_info) {
  return json::object{{"type", to_view(type)},
                      {"message", to_view(message)},
                      {"details", to_view(details)},
                      {"extra_info", std::move(extra_info)}};
}

Validation validate_prompt(json::object& prompt, const std::optional<json::array>& targets, const Rules& rules) {
  Validation out;
  if (!rules.generation.error_objects) out.node_errors = json::array();
  out.error = find_unknown_class(prompt, rules.generation, rules.nodes);
  if (!out.error.empty()) return out;
  const std::vector<std::string> outputs = find_outputs(prompt, targets, rules);
  if (outputs.empty()) {
    out.error = make_error("prompt_no_outputs", "Prompt has no outputs", "");
    return out;
  }
  json::object node_errors;
  Validator validator(prompt, rules);
  std::string details;
  for (const std::string& output : outputs) {
    const NodeResult result = validator.check_output(output);
    if (result.valid) {
      out.outputs.emplace_back(output);
      continue;
    }
    for (const json::value& error : result.errors) {
      details +=
          (details.empty() ? "" : "\n") + python_str(error.at("message")) + ": " + python_str(error.at("details"));
    }
    for (const std::string& id : validator.order()) {
      const NodeResult& bad = validator.results().at(id);
      if (bad.errors.empty()) continue;
      if (!node_errors.contains(id)) {
        node_errors[id] = {{"errors", bad.errors},
                           {"dependent_outputs", json::array()},
                           {"class_type", prompt.at(id).at("class_type")}};
      }
      node_errors[id].at("dependent_outputs").as_array().emplace_back(output);
    }
  }
  out.node_errors = std::move(node_errors);
  out.accepted = !out.outputs.empty();
  if (!out.accepted) {
    out.error = make_error("prompt_outputs_failed_validation", "Prompt outputs failed validation", details);
  }
  return out;
}

}  // namespace comfysim
