#include "libs/common/domain/common_names.h"

#include <algorithm>
#include <array>
#include <vector>

#include "libs/common/domain/json_text.h"

namespace renderyard::domain {

namespace {

constexpr std::array<std::string_view, 5> kLeaveNothing = {"MaskPreview", "PreviewAny", "PreviewAudio", "PreviewImage",
                                                           "SaveImageWebsocket"};

struct Node {
  std::string id;
  std::string class_type;
  bool own_folder = false;  // its files lie where this execution alone writes
};

// A link is [node id, number of the output].
std::string linked_node(std::string_view value) {
  if (!is_json_array(value)) return {};
  const auto begin = value.find_first_not_of(" \t\r\n", 1);
  if (begin == std::string_view::npos || value[begin] != '"') return {};
  std::size_t end = begin + 1;
  while (end < value.size() && value[end] != '"') end += value[end] == '\\' ? 2 : 1;
  if (end >= value.size()) return {};
  return json_string(value.substr(begin, end + 1 - begin));
}

}  // namespace

bool may_use_common_names(std::string_view workflow_json, bool unique_prefix, const NodeClasses& writers) {
  std::vector<Node> nodes;
  std::set<std::string, std::less<>> taken;
  for (const JsonMember& member : json_members(workflow_json)) {
    Node node;
    node.id = member.key;
    for (const JsonMember& part : json_members(member.value)) {
      if (part.key == "class_type") node.class_type = json_string(part.value);
      if (part.key != "inputs") continue;
      for (const JsonMember& input : json_members(part.value)) {
        if (input.key == "filename_prefix") node.own_folder = unique_prefix && is_json_string(input.value);
        std::string source = linked_node(input.value);
        if (!source.empty()) taken.insert(std::move(source));
      }
    }
    nodes.push_back(std::move(node));
  }
  return std::any_of(nodes.begin(), nodes.end(), [&](const Node& node) {
    if (node.own_folder) return false;
    if (writers.contains(node.class_type)) return true;
    return !taken.contains(node.id) &&
           std::find(kLeaveNothing.begin(), kLeaveNothing.end(), node.class_type) == kLeaveNothing.end();
  });
}

}  // namespace renderyard::domain
