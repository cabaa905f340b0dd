#include "tests/comfysim/node_inputs.h"

namespace comfysim {

const json::value& NodeInputs::constant(const std::string& name) const {
  const auto found = inputs_.find(name);
  const json::value* value = found == inputs_.end() ? nullptr : std::get_if<json::value>(&found->second);
  if (value == nullptr) throw NodeError("KeyError", "'" + name + "'");
  return *value;
}

std::int64_t NodeInputs::integer(const std::string& name) const {
  const json::value& value = constant(name);
  if (!value.is_int64()) throw NodeError("TypeError", name + " must be an integer");
  return value.get_int64();
}

std::uint64_t NodeInputs::seed(const std::string& name) const {
  const json::value& value = constant(name);
  return value.is_uint64() ? value.get_uint64() : static_cast<std::uint64_t>(integer(name));
}

double NodeInputs::number(const std::string& name) const {
  const json::value& value = constant(name);
  if (!value.is_number()) throw NodeError("TypeError", name + " must be a number");
  return value.to_number<double>();
}

std::string NodeInputs::text(const std::string& name) const {
  return python_str(constant(name));
}

bool NodeInputs::flag(const std::string& name) const {
  const json::value& value = constant(name);
  if (!value.is_bool()) throw NodeError("TypeError", name + " must be a truth value");
  return value.get_bool();
}

}  // namespace comfysim
