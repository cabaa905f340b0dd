#include "tests/comfysim/schedule.h"

#include <algorithm>
#include <utility>

namespace comfysim {

Schedule::Schedule(const NodeDefs& nodes, const Graph& graph, std::function<bool(const std::string&)> cached)
    : nodes_(nodes), graph_(graph), cached_(std::move(cached)) {}

void Schedule::add(const std::string& id) {
  std::vector<std::string> stack = {id};
  std::vector<std::pair<std::string, std::string>> links;
  while (!stack.empty()) {
    const std::string next = std::move(stack.back());
    stack.pop_back();
    if (find(next) != nullptr) continue;
    const GraphNode& node = graph_.node(next);
    // The definitions do not tell which nodes are async: only the test node is.
    pending_.push_back(Pending{next, nodes_.is_output(node.class_type), node.class_type == "BridgeAsync", 0, {}});
    if (cached_(next)) continue;
    for (const auto& [name, input] : node.inputs) {
      const std::optional<Link> link = link_of(input);
      if (!link || cached_(link->node)) continue;
      stack.push_back(link->node);
      links.emplace_back(link->node, next);
    }
  }
  for (const auto& [from, to] : links) wait_for(to, from);
}

void Schedule::wait_for(const std::string& id, const std::string& source) {
  if (cached_(source)) return;
  if (find(source) == nullptr) add(source);
  Pending& before = *find(source);
  if (std::find(before.blocks.begin(), before.blocks.end(), id) != before.blocks.end()) return;
  before.blocks.push_back(id);
  ++find(id)->blocked_by;
}

std::optional<std::string> Schedule::next() const {
  for (const Pending& node : pending_) {
    if (node.blocked_by == 0 && (node.output || node.async)) return node.id;
  }
  for (int distance = 1; distance <= 2; ++distance) {
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
