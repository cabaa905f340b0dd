// JSON as ComfyUI's Python reads and writes it.
#ifndef RENDERYARD_TESTS_COMFYSIM_PYJSON_H_
#define RENDERYARD_TESTS_COMFYSIM_PYJSON_H_

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace comfysim {

namespace json = boost::json;

// Parses like json.loads: last of equal keys wins, integers up to 2^64-1 stay exact, depth up to 900 (Python's
// recursion limit is near 1000), bare NaN and Infinity are numbers. nullopt when `text` is no JSON or no UTF-8.
std::optional<json::value> parse_json(std::string_view text);

// Writes like json.dumps with its defaults, which is what aiohttp sends: ", " and ": " between tokens, non-ASCII as
// \uXXXX (surrogate pairs above the BMP), floats as repr() does (10.0, 1e-05, 1e+16), bare NaN and Infinity.
std::string dump_json(const json::value& value);

// repr() of a float.
std::string python_float(double value);

// str() of a value: strings as they are, None/True/False, lists and dicts as Python prints them.
std::string python_str(const json::value& value);

// repr(): as python_str, but strings get single quotes.
std::string python_repr(const json::value& value);

// Member of an object, or nullptr when `value` is no object or has no such key.
const json::value* member(const json::value& value, std::string_view key);

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_PYJSON_H_
