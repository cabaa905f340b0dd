#include "tests/comfysim/pyjson.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>

namespace comfysim {
namespace {

void append_escape(std::string& out, unsigned code) {
  std::array<char, 8> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "\\u%04x", code);
  out += buffer.data();
}

// Length of the UTF-8 sequence and its code point; the text has been validated by the parser.
std::pair<std::size_t, std::uint32_t> decode_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(0);
  if (first < 0x80) return {1, first};
  if (first < 0xe0) return {2, ((first & 0x1fu) << 6) | (byte(1) & 0x3fu)};
  if (first < 0xf0) return {3, ((first & 0x0fu) << 12) | ((byte(1) & 0x3fu) << 6) | (byte(2) & 0x3fu)};
  return {4, ((first & 0x07u) << 18) | ((byte(1) & 0x3fu) << 12) | ((byte(2) & 0x3fu) << 6) | (byte(3) & 0x3fu)};
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const auto [length, code] = decode_utf8(text);
    switch (code) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (code >= 0x20 && code < 0x7f) {
          out += static_cast<char>(code);
        } else if (code < 0x10000) {
          append_escape(out, code);
        } else {
          append_escape(out, 0xd800 + ((code - 0x10000) >> 10));
          append_escape(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
        }
    }
    text.remove_prefix(std::min(length, text.size()));
  }
  out += '"';
}

void append(std::string& out, const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      out += "null";
      break;
    case json::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      break;
    case json::kind::int64:
      out += std::to_string(value.get_int64());
      break;
    case json::kind::uint64:
      out += std::to_string(value.get_uint64());
      break;
    case json::kind::double_:
      out += python_float(value.get_double());
      break;
    case json::kind::string:
      append_string(out, value.get_string());
      break;
    case json::kind::array: {
      out += '[';
      const char* separator = "";
      for (const json::value& item : value.get_array()) {
        out += separator;
        append(out, item);
        separator = ", ";
      }
      out += ']';
      break;
    }
    case json::kind::object: {
      out += '{';
      const char* separator = "";
      for (const auto& [key, item] : value.get_object()) {
        out += separator;
        append_string(out, key);
        out += ": ";
        append(out, item);
        separator = ", ";
      }
      out += '}';
      break;
    }
  }
}

// Python's json takes NaN, Infinity and -Infinity as numbers, Boost.JSON does not: they go through it as marked
// strings.
struct BareWord {
  std::string_view word;
  std::string_view mark;  // a JSON string
  std::string_view text;  // ... and what it reads as
  double value;
};

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr BareWord kBareWords[] = {
    {"NaN", R"("\u0000bare NaN")", {"\0bare NaN", 9}, std::numeric_limits<double>::quiet_NaN()},
    {"-Infinity", R"("\u0000bare -Infinity")", {"\0bare -Infinity", 15}, -kInfinity},
    {"Infinity", R"("\u0000bare Infinity")", {"\0bare Infinity", 14}, kInfinity},
};

// `text` with marks in place of the bare words; nullopt when there are none.
std::optional<std::string> mark_bare_words(std::string_view text) {
  if (text.find("NaN") == text.npos && text.find("Infinity") == text.npos) return std::nullopt;
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size();) {
    if (quoted && text[i] == '\\') {
      out += text.substr(i, 2);
      i += 2;
      continue;
    }
    if (text[i] == '"') quoted = !quoted;
    const BareWord* found = nullptr;
    for (const BareWord& bare : kBareWords) {
      if (!quoted && found == nullptr && text.substr(i).starts_with(bare.word)) found = &bare;
    }
    if (found != nullptr) {
      out += found->mark;
      i += found->word.size();
    } else {
      out += text[i++];
    }
  }
  return out;
}

void unmark(json::value& value) {
  if (json::array* items = value.if_array()) {
    for (json::value& item : *items) unmark(item);
  } else if (json::object* members = value.if_object()) {
    for (auto& entry : *members) unmark(entry.value());
  } else if (value.is_string()) {
    for (const BareWord& bare : kBareWords) {
      if (std::string_view(value.get_string()) == bare.text) {
        value = bare.value;
        return;
      }
    }
  }
}

std::string python_text(const json::value& value, bool quoted) {
  if (value.is_null()) return "None";
  if (value.is_bool()) return value.get_bool() ? "True" : "False";
  if (value.is_string()) {
    const std::string text(value.get_string());
    return quoted ? "'" + text + "'" : text;
  }
  std::string out;
  if (value.is_array()) {
    for (const json::value& item : value.get_array()) out += (out.empty() ? "" : ", ") + python_text(item, true);
    return "[" + out + "]";
  }
  if (value.is_object()) {
    for (const auto& [key, item] : value.get_object()) {
      out += (out.empty() ? "'" : ", '") + std::string(key) + "': " + python_text(item, true);
    }
    return "{" + out + "}";
  }
  append(out, value);
  return out;
}

}  // namespace

std::optional<json::value> parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = 900;
  boost::system::error_code error;
  const std::optional<std::string> marked = mark_bare_words(text);
  if (marked) text = *marked;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error) return std::nullopt;
  if (marked) unmark(value);
  return value;
}

std::string dump_json(const json::value& value) {
  std::string out;
  append(out, value);
  return out;
}

std::string python_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  std::array<char, 40> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string text(buffer.data(), end.ptr);
  const std::size_t mark = text.find('e');
  const int exponent = std::stoi(text.substr(mark + 1));
  std::string digits = text.substr(0, mark);
  const std::string sign = digits.front() == '-' ? "-" : "";
  if (!sign.empty()) digits.erase(0, 1);
  if (const std::size_t dot = digits.find('.'); dot != std::string::npos) digits.erase(dot, 1);
  if (exponent < -4 || exponent >= 16) {
    if (digits.size() > 1) digits.insert(1, ".");
    std::snprintf(buffer.data(), buffer.size(), "e%c%02d", exponent < 0 ? '-' : '+', std::abs(exponent));
    return sign + digits + buffer.data();
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string python_str(const json::value& value) {
  return python_text(value, false);
}

std::string python_repr(const json::value& value) {
  return python_text(value, true);
}

const json::value* member(const json::value& value, std::string_view key) {
  const json::object* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(json::string_view(key.data(), key.size()));
}

}  // namespace comfysim
