// What flows along the links of a workflow.
#ifndef RENDERYARD_TESTS_COMFYSIM_VALUES_H_
#define RENDERYARD_TESTS_COMFYSIM_VALUES_H_

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tests/comfysim/audio.h"
#include "tests/comfysim/image.h"
#include "tests/comfysim/latent.h"
#include "tests/comfysim/mask.h"
#include "tests/comfysim/pyjson.h"

namespace comfysim {

// A model of any kind: the files it came from and all that was done to it.
struct Loaded {
  std::string recipe;
};

struct Conditioning {
  std::string text;    // of the prompt
  std::string recipe;  // ... and all else that was done to it
};

// Inputs of SamplerCustomAdvanced.
struct Noise {
  std::uint64_t seed = 0;
};
struct Guider {
  std::string model;  // recipe
  Conditioning positive;
  Conditioning negative;
  std::string settings;
};
struct SamplerName {
  std::string name;
};
struct Sigmas {
  std::string settings;
  std::int64_t steps = 0;
  double denoise = 1.0;
};

// An ExecutionBlocker: nodes that get it do not run. The first such node says the message, if there is one.
struct Blocked {
  std::optional<std::string> message;
};

using Value = std::variant<std::monostate, Batch, Loaded, Conditioning, Latent, MaskPtr, AudioBatch, Noise, Guider,
                           SamplerName, Sigmas, Blocked>;

// A node that another becomes while it runs. Its inputs are constants, values, or links to the others by their ids.
struct ExpandedNode {
  std::string id;
  std::string class_type;
  std::vector<std::pair<std::string, std::variant<json::value, Value>>> inputs;
};

struct Expansion {
  std::vector<ExpandedNode> nodes;
  std::vector<std::pair<std::string, std::size_t>> results;  // per output slot the node and slot it comes from
};

// The work of an async node, which goes on beside that of others.
struct AsyncWork {
  std::int64_t steps = 0;
  double seconds_per_step = 0;
};

// What one node made.
struct NodeOutput {
  std::vector<Value> values;           // one per output slot
  std::optional<json::object> ui;      // what `executed` carries; only some nodes have it
  std::optional<Expansion> expansion;  // the values come from these nodes
  std::optional<AsyncWork> async;      // the values are there when it is done
  bool unserializable = false;         // the ui is not what JSON can hold
};

// An exception of a node: goes into execution_error.
struct NodeError : std::runtime_error {
  NodeError(std::string t, const std::string& message) : std::runtime_error(message), type(std::move(t)) {}
  std::string type;  // Python name of the exception
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_VALUES_H_
