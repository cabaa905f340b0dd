// Python's int(), float(), bool() and <, as validation applies them to the values of a workflow.
#ifndef RENDERYARD_TESTS_COMFYSIM_COERCE_H_
#define RENDERYARD_TESTS_COMFYSIM_COERCE_H_

#include <stdexcept>
#include <string>
#include <utility>

#include "tests/comfysim/pyjson.h"

namespace comfysim {

// A Python exception: type is its class, what() its text.
struct PythonError : std::runtime_error {
  PythonError(std::string t, const std::string& message) : std::runtime_error(message), type(std::move(t)) {}
  std::string type;
};

// Throw PythonError for what cannot be converted.
json::value to_int(const json::value& value);
json::value to_float(const json::value& value);

bool to_bool(const json::value& value);

// a < b of two numbers, exact for integers up to 2^64-1.
bool is_less(const json::value& a, const json::value& b);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_COERCE_H_
