#include "tests/comfysim/replay/recorded_facts.h"

#include <algorithm>
#include <functional>
#include <optional>

namespace comfysim::replay {

std::size_t announced_size(const Line& line) {
  const json::value* headers = line.fields.if_contains("headers");
  const json::value* length = headers == nullptr ? nullptr : member(*headers, "Content-Length");
  return length == nullptr ? 0 : std::stoul(std::string(length->as_string()));
}

std::string output_order(const std::vector<Line>& lines) {
  std::vector<std::string> out;
  const auto add = [&](const json::value& id) {
    const std::string text = python_str(id);
    if (std::find(out.begin(), out.end(), text) == out.end()) out.push_back(text);
  };
  const std::function<void(const json::value&)> search = [&](const json::value& value) {
    // [number, id, prompt, extra_data, outputs] of queue and history
    const json::array* entry = value.if_array();
    if (entry != nullptr && entry->size() == 5 && entry->at(4).is_array() && entry->at(4).get_array().size() > 1) {
      for (const json::value& id : entry->at(4).get_array()) add(id);
    } else if (entry != nullptr) {
      for (const json::value& item : *entry) search(item);
    } else if (value.is_object()) {
      for (const auto& [key, item] : value.get_object()) search(item);
    }
  };
  for (const Line& line : lines) {
    if (line.dir == "http-resp" && line.fields.contains("body")) search(line.fields.at("body"));
  }
  for (const Line& line : lines) {
    const std::optional<json::value> message = line.dir == "ws-recv" ? parse_json(line.text("text")) : std::nullopt;
    const json::value* type = message ? member(*message, "type") : nullptr;
    if (type != nullptr && *type == "executed") add(message->at("data").at("node"));
  }
  std::string text;
  for (const std::string& id : out) text += (text.empty() ? "" : ",") + id;
  return text;
}

std::vector<std::string> recorded_inputs(const std::vector<Line>& lines) {
  std::vector<std::string> out;
  const std::function<void(const json::value&)> search = [&](const json::value& value) {
    if (const json::object* object = value.if_object()) {
      for (const auto& [key, item] : *object) search(item);
    }
    const json::array* array = value.if_array();
    if (array == nullptr) return;
    // [[names], {"image_upload": true}] as /object_info and node_errors have it
    const json::value* upload = array->size() == 2 ? member(array->at(1), "image_upload") : nullptr;
    if (upload == nullptr || !array->at(0).is_array()) {
      for (const json::value& item : *array) search(item);
      return;
    }
    for (const json::value& name : array->at(0).get_array()) out.emplace_back(name.as_string());
  };
  for (const Line& line : lines) {
    if (const json::value* body = line.fields.if_contains("body")) search(*body);
  }
  return out;
}

std::size_t large_body(const std::vector<Line>& lines, const Line& request) {
  for (const Line& answer : lines) {
    const std::string text = answer.text("body_text");
    const std::size_t at = text.find("actual body size ");
    if (answer.dir == "http-resp" && answer.number("id") == request.number("id") && at != std::string::npos) {
      return std::stoul(text.substr(at + 17));
    }
  }
  return 0;
}

}  // namespace comfysim::replay
