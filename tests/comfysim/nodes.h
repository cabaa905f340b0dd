// What each node class does.
#ifndef RENDERYARD_TESTS_COMFYSIM_NODES_H_
#define RENDERYARD_TESTS_COMFYSIM_NODES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "tests/comfysim/files.h"
#include "tests/comfysim/values.h"

namespace comfysim {

// A preview picture that goes with a report of progress.
struct Preview {
  Picture picture;
  bool png = false;  // else JPEG
};

// What a running node may ask of the executor. Used by the worker only.
class NodeHost {
 public:
  virtual ~NodeHost() = default;
  virtual Files& files() = 0;
  virtual std::int64_t step_ms() const = 0;
  virtual bool sampler_previews() const = 0;
  virtual PngTexts png_texts() const = 0;
  // Throws when the run is over.
  virtual void sleep(double seconds) = 0;
  // Throws when the prompt was interrupted or the run is over.
  virtual void progress(std::int64_t value, std::int64_t max, const std::optional<Preview>& preview) = 0;
  virtual void send_text(const std::string& text) = 0;
  // A file of the node is on disk.
  virtual void wrote(const FileName& name, const std::string& bytes) = 0;
};

// Inputs of one node, links already followed. Throws NodeError (KeyError, TypeError) for what is not there.
class NodeInputs {
 public:
  using Input = std::variant<json::value, Value>;

  void set(const std::string& name, Input input) { inputs_[name] = std::move(input); }
  const std::map<std::string, Input>& all() const { return inputs_; }

  bool has(const std::string& name) const { return inputs_.contains(name); }
  std::int64_t integer(const std::string& name) const;
  std::uint64_t seed(const std::string& name) const;
  double number(const std::string& name) const;
  std::string text(const std::string& name) const;
  template <class T>
  const T& linked(const std::string& name) const {
    const auto found = inputs_.find(name);
    const Value* value = found == inputs_.end() ? nullptr : std::get_if<Value>(&found->second);
    const T* out = value == nullptr ? nullptr : std::get_if<T>(value);
    if (out == nullptr) throw NodeError("KeyError", "'" + name + "'");
    return *out;
  }

 private:
  const json::value& constant(const std::string& name) const;

  std::map<std::string, Input> inputs_;
};

// Runs one node; throws NodeError when it fails and whatever the host throws.
NodeOutput run_node(const std::string& class_type, const NodeInputs& inputs, NodeHost& host);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_NODES_H_
