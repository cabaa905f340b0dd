// What flows along the links of a workflow.
#ifndef RENDERYARD_TESTS_COMFYSIM_VALUES_H_
#define RENDERYARD_TESTS_COMFYSIM_VALUES_H_

#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "tests/comfysim/image.h"
#include "tests/comfysim/paint.h"
#include "tests/comfysim/pyjson.h"

namespace comfysim {

// A model, CLIP or VAE: nothing but the file it came from.
struct Loaded {
  std::string file;
};

struct Conditioning {
  std::string text;
};

// Sizes in pixels. Without a scene nobody has sampled into it.
struct Latent {
  int width = 0;
  int height = 0;
  int batch = 1;
  std::optional<Scene> scene;
};

using Value = std::variant<std::monostate, Batch, Loaded, Conditioning, Latent>;

// What one node made.
struct NodeOutput {
  std::vector<Value> values;       // one per output slot
  std::optional<json::object> ui;  // what `executed` carries; only some nodes have it
};

// An exception of a node: goes into execution_error.
struct NodeError : std::runtime_error {
  NodeError(std::string t, const std::string& message) : std::runtime_error(message), type(std::move(t)) {}
  std::string type;  // Python name of the exception
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_VALUES_H_
