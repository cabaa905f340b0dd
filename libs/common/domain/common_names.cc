#include "libs/common/domain/common_names.h"

#include <algorithm>
#include <array>
#include <utility>

#include "libs/common/domain/json_text.h"

namespace renderyard::domain {

namespace {

constexpr std::array<std::string_view, 5> kSaveNothing = {"MaskPreview", "PreviewAny", "PreviewAudio", "PreviewImage",
                                                          "SaveImageWebsocket"};

// Of two filename_prefix inputs ComfyUI takes the last.
bool has_literal_prefix(std::string_view inputs) {
  bool literal = false;
  for (const JsonMember& input : json_members(inputs)) {
    if (input.key == "filename_prefix") literal = is_json_string(input.value);
  }
  return literal;
}

}  // namespace

NodeClasses classes_of_common_names(std::string_view workflow_json, bool unique_prefix) {
  NodeClasses classes;
  for (const JsonMember& member : json_members(workflow_json)) {
    std::string node_class;
    bool own_folder = false;
    for (const JsonMember& part : json_members(member.value)) {
      if (part.key == "class_type") node_class = json_string(part.value);
      if (part.key == "inputs") own_folder = unique_prefix && has_literal_prefix(part.value);
    }
    if (!own_folder) classes.insert(std::move(node_class));
  }
  return classes;
}

bool saves_nothing(std::string_view node_class) {
  return std::find(kSaveNothing.begin(), kSaveNothing.end(), node_class) != kSaveNothing.end();
}

}  // namespace renderyard::domain
