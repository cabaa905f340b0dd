// Results kept between prompts, as ComfyUI's default cache does.
#ifndef RENDERYARD_TESTS_COMFYSIM_OUTPUT_CACHE_H_
#define RENDERYARD_TESTS_COMFYSIM_OUTPUT_CACHE_H_

#include <map>
#include <memory>
#include <set>
#include <string>

#include "tests/comfysim/files.h"
#include "tests/comfysim/node_defs.h"
#include "tests/comfysim/values.h"

namespace comfysim {

using NodeOutputPtr = std::shared_ptr<const NodeOutput>;

// The results of the last prompt's nodes, found again by a signature over class, constant inputs and all nodes before.
// Used by the worker only.
class OutputCache {
 public:
  // Computes the signatures of `prompt` and drops all that it does not use.
  void begin(const json::object& prompt, const NodeDefs& nodes, const Files& files);

  // The result of a node of the present prompt; nullptr when it must run.
  NodeOutputPtr find(const std::string& node_id) const;
  void store(const std::string& node_id, NodeOutputPtr output);
  void clear() { outputs_.clear(); }

 private:
  const std::string& sign(const json::object& prompt, const std::string& id, const NodeDefs& nodes, const Files& files,
                          std::set<std::string>& open);

  std::map<std::string, std::string> signatures_;  // node id -> signature
  std::map<std::string, NodeOutputPtr> outputs_;   // signature -> result
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_OUTPUT_CACHE_H_
