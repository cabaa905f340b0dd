// The slow path of parse_comfy_json(): rewrites what Python writes and JSON forbids.
#include <charconv>
#include <cmath>
#include <cstdint>

#include "libs/common/domain/comfy_json.h"

namespace renderyard::domain {

namespace {

bool is_number_char(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

// The four hex digits at `at`, or -1.
int hex4(std::string_view text, std::size_t at) {
  if (at + 4 > text.size()) return -1;
  unsigned value = 0;
  const auto end = std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
  return end.ptr == text.data() + at + 4 ? static_cast<int>(value) : -1;
}

bool is_high(int unit) {
  return unit >= 0xD800 && unit <= 0xDBFF;
}
bool is_low(int unit) {
  return unit >= 0xDC00 && unit <= 0xDFFF;
}

void append_number(std::string& out, std::string_view token) {
  const char* const end = token.data() + token.size();
  if (token.find_first_of(".eE") == std::string_view::npos) {
    std::int64_t as_signed = 0;
    std::uint64_t as_unsigned = 0;
    const bool fits = std::from_chars(token.data(), end, as_signed).ec != std::errc::result_out_of_range ||
                      std::from_chars(token.data(), end, as_unsigned).ec == std::errc();
    if (fits) {
      out += token;
      return;
    }
  }
  double value = 0;
  const auto result = std::from_chars(token.data(), end, value);
  if (result.ec == std::errc::result_out_of_range || !std::isfinite(value)) {
    // Too small is as good as zero; too large has no value at all.
    const bool tiny = token.find("e-") != std::string_view::npos || token.find("E-") != std::string_view::npos;
    out += tiny ? "0.0" : "null";
  } else if (result.ec != std::errc() || token.find_first_of(".eE") != std::string_view::npos) {
    out += token;  // fine, or so wrong that the parser must say so
  } else {
    out += token;
    out += ".0";
  }
}

// Copies the string that begins at text[at] == '"'; returns the position after it.
std::size_t copy_string(std::string& out, std::string_view text, std::size_t at) {
  out += text[at++];
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      out += c;
      return at + 1;
    }
    if (c != '\\' || at + 1 >= text.size()) {
      out += c;
      ++at;
      continue;
    }
    const int unit = text[at + 1] == 'u' ? hex4(text, at + 2) : -1;
    if (is_high(unit) && at + 7 < text.size() && text[at + 6] == '\\' && text[at + 7] == 'u' &&
        is_low(hex4(text, at + 8))) {
      out += text.substr(at, 12);
      at += 12;
    } else if (is_high(unit) || is_low(unit)) {
      out += "\\ufffd";
      at += 6;
    } else {
      out += text.substr(at, 2);
      at += 2;
    }
  }
  return at;
}

}  // namespace

std::string repair_python_json(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  std::size_t at = 0;
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    if (text[at] == '"') {
      at = copy_string(out, text, at);
    } else if (rest.starts_with("NaN")) {
      out += "null";
      at += 3;
    } else if (rest.starts_with("Infinity")) {
      out += "null";
      at += 8;
    } else if (rest.starts_with("-Infinity")) {
      out += "null";
      at += 9;
    } else if (text[at] == '-' || (text[at] >= '0' && text[at] <= '9')) {
      std::size_t end = at + 1;
      while (end < text.size() && is_number_char(text[end])) ++end;
      append_number(out, text.substr(at, end - at));
      at = end;
    } else {
      out += text[at++];
    }
  }
  return out;
}

}  // namespace renderyard::domain
