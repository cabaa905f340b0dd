// The order in which the executor before 2024-08-15 runs the nodes (execution.recursive_execute).
#ifndef RENDERYARD_TESTS_COMFYSIM_RECURSIVE_ORDER_H_
#define RENDERYARD_TESTS_COMFYSIM_RECURSIVE_ORDER_H_

#include <functional>
#include <string>
#include <vector>

#include "tests/comfysim/graph.h"

namespace comfysim {

// All nodes to run: again and again the output that needs the fewest nodes more, after its inputs in their order.
// Cached nodes are left out.
std::vector<std::string> recursive_order(const Graph& graph, std::vector<std::string> outputs,
                                         const std::function<bool(const std::string&)>& cached);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_RECURSIVE_ORDER_H_
