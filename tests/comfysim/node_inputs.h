// What a node is given.
#ifndef RENDERYARD_TESTS_COMFYSIM_NODE_INPUTS_H_
#define RENDERYARD_TESTS_COMFYSIM_NODE_INPUTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "tests/comfysim/values.h"

namespace comfysim {

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
  bool flag(const std::string& name) const;
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

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_NODE_INPUTS_H_
