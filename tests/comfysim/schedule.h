// The order in which the nodes of a prompt run (comfy_execution.graph.ExecutionList).
#ifndef RENDERYARD_TESTS_COMFYSIM_SCHEDULE_H_
#define RENDERYARD_TESTS_COMFYSIM_SCHEDULE_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/comfysim/node_defs.h"
#include "tests/comfysim/pyjson.h"

namespace comfysim {

// Knows the nodes that lead to the outputs and are not cached. Among those that are ready it prefers output nodes, then
// nodes right before one, then nodes two before one, else the one that was added first. Used by the worker only.
class Schedule {
 public:
  // `cached` tells whether a node need not run; cached output nodes are visited all the same.
  Schedule(const NodeDefs& nodes, const json::object& prompt, const json::array& outputs,
           const std::function<bool(const std::string&)>& cached);

  // The next node that is ready; nullopt when all are done.
  std::optional<std::string> next() const;
  void done(const std::string& id);

 private:
  struct Pending {
    std::string id;
    bool output = false;
    int blocked_by = 0;
    std::vector<std::string> blocks;
  };

  void add(const json::object& prompt, const std::string& output,
           const std::function<bool(const std::string&)>& cached);
  Pending* find(const std::string& id);
  const Pending* find(const std::string& id) const;
  bool leads_to_output(const Pending& node, int distance) const;

  const NodeDefs& nodes_;
  std::vector<Pending> pending_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_SCHEDULE_H_
