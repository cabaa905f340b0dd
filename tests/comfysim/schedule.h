// The order in which the nodes of a prompt run since 2024-08-15 (comfy_execution.graph.ExecutionList).
#ifndef RENDERYARD_TESTS_COMFYSIM_SCHEDULE_H_
#define RENDERYARD_TESTS_COMFYSIM_SCHEDULE_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/comfysim/graph.h"
#include "tests/comfysim/node_defs.h"

namespace comfysim {

// Knows the nodes that lead to the outputs and are not cached. Among those that are ready it prefers output nodes and
// async ones, then nodes right before an output, then nodes two before one, else the one that was added first. Used by
// the worker only.
class Schedule {
 public:
  // `cached` tells whether a node need not run; cached nodes that are added themselves are visited all the same.
  Schedule(const NodeDefs& nodes, const Graph& graph, std::function<bool(const std::string&)> cached);

  // Adds a node and all it needs.
  void add(const std::string& id);
  // Makes `id` wait for `source` too, which is added.
  void wait_for(const std::string& id, const std::string& source);
  // Makes `id` wait until `release`.
  void hold(const std::string& id) { ++find(id)->blocked_by; }
  void release(const std::string& id) { --find(id)->blocked_by; }

  // The next node that is ready; nullopt when there is none, because all are done or held.
  std::optional<std::string> next() const;
  void done(const std::string& id);

 private:
  struct Pending {
    std::string id;
    bool output = false;
    bool async = false;
    int blocked_by = 0;
    std::vector<std::string> blocks;
  };

  Pending* find(const std::string& id);
  const Pending* find(const std::string& id) const;
  bool leads_to_output(const Pending& node, int distance) const;

  const NodeDefs& nodes_;
  const Graph& graph_;
  std::function<bool(const std::string&)> cached_;
  std::vector<Pending> pending_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_SCHEDULE_H_
