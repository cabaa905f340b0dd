#include "tests/comfysim/choices.h"

#include <filesystem>
#include <stdexcept>
#include <string>

#include "tests/comfysim/media_type.h"

namespace comfysim {

json::value Choices::fill(const json::value& description) const {
  if (const json::object* object = description.if_object()) {
    json::object out;
    for (const auto& [key, value] : *object) out[key] = fill(value);
    return out;
  }
  const json::array* array = description.if_array();
  if (array == nullptr) return description;
  json::array out;
  for (const json::value& value : *array) {
    const json::string* text = value.if_string();
    if (text != nullptr && text->starts_with('$')) {
      append(std::string_view(text->data(), text->size()).substr(1), out);
    } else {
      out.push_back(fill(value));
    }
  }
  return out;
}

void Choices::append(std::string_view list, json::array& out) const {
  if (list.starts_with("input")) {
    const std::size_t slash = list.find('/');
    const std::string_view kind = slash == std::string_view::npos ? std::string_view() : list.substr(slash + 1);
    for (const std::string& name : files_.inputs()) {
      if (media_type(name).starts_with(kind)) out.emplace_back(name);
    }
    return;
  }
  const std::vector<std::string>* files = models_.files(list);
  if (files == nullptr) throw std::out_of_range("no model folder " + std::string(list));
  for (const std::string& name : *files) out.emplace_back(name);
}

}  // namespace comfysim
