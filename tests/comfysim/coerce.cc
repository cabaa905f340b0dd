#include "tests/comfysim/coerce.h"

#include <charconv>
#include <cstdint>
#include <string_view>

namespace comfysim {
namespace {

const char* python_type_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "NoneType";
    case json::kind::bool_:
      return "bool";
    case json::kind::string:
      return "str";
    case json::kind::array:
      return "list";
    case json::kind::object:
      return "dict";
    case json::kind::double_:
      return "float";
    default:
      return "int";
  }
}

}  // namespace

json::value to_int(const json::value& value) {
  if (value.is_bool()) return value.get_bool() ? 1 : 0;
  if (value.is_int64() || value.is_uint64()) return value;
  if (value.is_double()) return static_cast<std::int64_t>(value.get_double());
  if (value.is_string()) {
    const std::string_view text(value.get_string().data(), value.get_string().size());
    std::int64_t small = 0;
    std::uint64_t large = 0;
    const char* end = text.data() + text.size();
    if (const auto r = std::from_chars(text.data(), end, small); r.ec == std::errc() && r.ptr == end) return small;
    if (const auto r = std::from_chars(text.data(), end, large); r.ec == std::errc() && r.ptr == end) return large;
    throw PythonError("ValueError", "invalid literal for int() with base 10: " + python_repr(value));
  }
  throw PythonError("TypeError", std::string("int() argument must be a string, a bytes-like object or a real number, "
                                             "not '") +
                                     python_type_name(value) + "'");
}

json::value to_float(const json::value& value) {
  if (value.is_bool()) return value.get_bool() ? 1.0 : 0.0;
  if (value.is_number()) return value.to_number<double>();
  if (value.is_string()) {
    const std::string_view text(value.get_string().data(), value.get_string().size());
    double out = 0;
    const auto r = std::from_chars(text.data(), text.data() + text.size(), out);
    if (r.ec == std::errc() && r.ptr == text.data() + text.size()) return out;
    throw PythonError("ValueError", "could not convert string to float: " + python_repr(value));
  }
  throw PythonError("TypeError", std::string("float() argument must be a string or a real number, not '") +
                                     python_type_name(value) + "'");
}

bool to_bool(const json::value& value) {
  if (value.is_bool()) return value.get_bool();
  if (value.is_number()) return value.to_number<double>() != 0.0;
  if (value.is_string()) return !value.get_string().empty();
  if (value.is_array()) return !value.get_array().empty();
  if (value.is_object()) return !value.get_object().empty();
  return false;
}

bool is_less(const json::value& a, const json::value& b) {
  if (a.is_uint64() && b.is_uint64()) return a.get_uint64() < b.get_uint64();
  if (a.is_int64() && b.is_int64()) return a.get_int64() < b.get_int64();
  if (a.is_int64() && b.is_uint64())
    return a.get_int64() < 0 || static_cast<std::uint64_t>(a.get_int64()) < b.get_uint64();
  if (a.is_uint64() && b.is_int64())
    return b.get_int64() >= 0 && a.get_uint64() < static_cast<std::uint64_t>(b.get_int64());
  return a.to_number<double>() < b.to_number<double>();
}

}  // namespace comfysim
