// The node classes comfysim knows, as GET /object_info describes them.
#ifndef RENDERYARD_TESTS_COMFYSIM_NODE_DEFS_H_
#define RENDERYARD_TESTS_COMFYSIM_NODE_DEFS_H_

#include <string>
#include <string_view>
#include <vector>

#include "tests/comfysim/pyjson.h"

namespace comfysim {

// Immutable after construction, so usable from any thread.
class NodeDefs {
 public:
  NodeDefs();

  // Definition of one class; nullptr when it is not known.
  const json::object* find(std::string_view class_type) const;

  bool is_output(std::string_view class_type) const;

  // All definitions, with `inputs` as the choices of LoadImage.
  json::object describe(const std::vector<std::string>& inputs) const;

  // Model files that CheckpointLoaderSimple offers.
  const json::array& checkpoints() const;

 private:
  json::object all_;
};

const NodeDefs& node_defs();

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_NODE_DEFS_H_
