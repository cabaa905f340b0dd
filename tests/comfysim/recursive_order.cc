#include "tests/comfysim/recursive_order.h"

#include <algorithm>
#include <set>
#include <utility>

namespace comfysim {
namespace {

// What has to run for `id`, itself last. A node that is needed twice is counted once, which is more than ComfyUI did,
// but gives the same order for all but contrived graphs.
void collect(const Graph& graph, const std::string& id, const std::function<bool(const std::string&)>& there,
             std::set<std::string>& seen, std::vector<std::string>& out) {
  if (there(id) || !seen.insert(id).second) return;
  for (const auto& [name, input] : graph.node(id).inputs) {
    if (const std::optional<Link> link = link_of(input)) collect(graph, link->node, there, seen, out);
  }
  out.push_back(id);
}

}  // namespace

std::vector<std::string> recursive_order(const Graph& graph, std::vector<std::string> outputs,
                                         const std::function<bool(const std::string&)>& cached) {
  std::vector<std::string> out;
  std::set<std::string> done;
  const auto there = [&](const std::string& id) { return done.contains(id) || cached(id); };
  const auto needs = [&](const std::string& output) {
    std::set<std::string> seen;
    std::vector<std::string> nodes;
    collect(graph, output, there, seen, nodes);
    return nodes;
  };
  while (!outputs.empty()) {
    const auto next = std::min_element(outputs.begin(), outputs.end(), [&](const std::string& a, const std::string& b) {
      return std::pair(needs(a).size(), a) < std::pair(needs(b).size(), b);
    });
    for (std::string& id : needs(*next)) {
      done.insert(id);
      out.push_back(std::move(id));
    }
    outputs.erase(next);
  }
  return out;
}

}  // namespace comfysim
