// The node classes comfysim knows, as GET /object_info describes them.
#ifndef RENDERYARD_TESTS_COMFYSIM_NODE_DEFS_H_
#define RENDERYARD_TESTS_COMFYSIM_NODE_DEFS_H_

#include <memory>
#include <string>
#include <string_view>

#include "tests/comfysim/generation.h"
#include "tests/comfysim/pyjson.h"

namespace comfysim {

// The texts stand in definitions/: one file of core nodes per release, in the form of GET /object_info, and the test
// nodes, whose form is fitted to the release here. Immutable after construction, so usable from any thread.
class NodeDefs {
 public:
  explicit NodeDefs(const Generation& generation);

  // Definition of one class; nullptr when it is not known.
  const json::object* find(std::string_view class_type) const;

  bool is_output(std::string_view class_type) const;

  // All definitions. A list of choices that depends on the server stands in them by its name, see Choices.
  const json::object& all() const { return all_; }

 private:
  json::object all_;
};

// One object for all servers of a generation in this process, however many there are. Thread-safe.
std::shared_ptr<const NodeDefs> shared_node_defs(const Generation& generation);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_NODE_DEFS_H_
