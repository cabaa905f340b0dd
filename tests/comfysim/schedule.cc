#include "tests/comfysim/schedule.h"

#include <algorithm>
#include <utility>

namespace comfysim {
namespace {

// The node a link leads to; empty when `value` is no link.
std::string linked_node(const json::value& value) {
  const json::array* link = value.if_array();
  if (link == nullptr || link->size() != 2 || !link->at(0).is_string()) return {};
  return std::string(link->at(0).get_string());
}

}  // namespace

Schedule::Schedule(const NodeDefs& nodes, const json::object& prompt, const json::array& outputs,
                   const std::function<bool(const std::string&)>& cached)
    : nodes_(nodes) {
  for (const json::value& output : outputs) add(prompt, std::string(output.as_string()), cached);
}

void Schedule::add(const json::object& prompt, const std::string& output,
                   const std::function<bool(const std::string&)>& cached) {
  std::vector<std::string> stack = {output};
  std::vector<std::pair<std::string, std::string>> links;
  while (!stack.empty()) {
    const std::string id = std::move(stack.back());
    stack.pop_back();
    if (find(id) != nullptr) continue;
    const json::value& node = prompt.at(id);
    const json::string& class_type = node.at("class_type").as_string();
    pending_.push_back(Pending{id, nodes_.is_output({class_type.data(), class_type.size()}), 0, {}});
    if (cached(id)) continue;
    for (const auto& [name, value] : node.at("inputs").as_object()) {
      const std::string from = linked_node(value);
      if (from.empty() || cached(from)) continue;
      stack.push_back(from);
      links.emplace_back(from, id);
    }
  }
  for (const auto& [from, to] : links) {
    Pending& source = *find(from);
    if (std::find(source.blocks.begin(), source.blocks.end(), to) != source.blocks.end()) continue;
    source.blocks.push_back(to);
    ++find(to)->blocked_by;
  }
}

std::optional<std::string> Schedule::next() const {
  for (int distance = 0; distance <= 2; ++distance) {
    for (const Pending& node : pending_) {
      if (node.blocked_by == 0 && leads_to_output(node, distance)) return node.id;
    }
  }
  for (const Pending& node : pending_) {
    if (node.blocked_by == 0) return node.id;
  }
  return std::nullopt;
}

bool Schedule::leads_to_output(const Pending& node, int distance) const {
  if (distance == 0) return node.output;
  return std::any_of(node.blocks.begin(), node.blocks.end(), [&](const std::string& id) {
    const Pending* after = find(id);
    return after != nullptr && leads_to_output(*after, distance - 1);
  });
}

void Schedule::done(const std::string& id) {
  const Pending* node = find(id);
  if (node == nullptr) return;
  for (const std::string& blocked : std::vector<std::string>(node->blocks)) {
    if (Pending* after = find(blocked)) --after->blocked_by;
  }
  std::erase_if(pending_, [&](const Pending& other) { return other.id == id; });
}

Schedule::Pending* Schedule::find(const std::string& id) {
  const auto found = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& node) { return node.id == id; });
  return found == pending_.end() ? nullptr : &*found;
}

const Schedule::Pending* Schedule::find(const std::string& id) const {
  return const_cast<Schedule*>(this)->find(id);
}

}  // namespace comfysim
