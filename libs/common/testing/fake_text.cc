#include "libs/common/testing/fake_text.h"

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <string>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::testing {

namespace {

bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// Length of the UTF-8 sequence that begins at text[at], 0 when it is malformed (RFC 3629: no surrogates, no overlongs).
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte(at + 1);
  if (first == 0xe0 && second < 0xa0) return 0;
  if (first == 0xed && second > 0x9f) return 0;
  if (first == 0xf0 && second < 0x90) return 0;
  if (first == 0xf4 && second > 0x8f) return 0;
  return length;
}

bool has_nul(const base::json::value& value) {
  if (const auto* text = value.if_string()) return text->find('\0') != base::json::string::npos;
  if (const auto* array = value.if_array()) return std::any_of(array->begin(), array->end(), has_nul);
  if (const auto* object = value.if_object()) {
    return std::any_of(object->begin(), object->end(), [](const auto& member) {
      return member.key().find('\0') != base::json::string_view::npos || has_nul(member.value());
    });
  }
  return false;
}

absl::Status refused(std::string_view column) {
  return absl::InvalidArgumentError(absl::StrCat(base::to_absl(column), ": PostgreSQL refuses it"));
}

absl::StatusOr<base::json::value> parse(std::string_view column, std::string_view value) {
  base::json::parse_options options;
  options.max_depth = 1024;
  boost::system::error_code error;
  base::json::value parsed = base::json::parse(base::json::string_view(value.data(), value.size()), error, {}, options);
  if (error || has_nul(parsed)) return refused(column);
  return parsed;
}

}  // namespace

absl::Status check_text(std::string_view column, std::string_view value) {
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t length = utf8_length(value, at);
    if (length == 0 || value[at] == '\0') return refused(column);
    at += length;
  }
  return absl::OkStatus();
}

absl::Status check_json(std::string_view column, std::string_view value) {
  return parse(column, value).status();
}

absl::Status check_json_object(std::string_view column, std::string_view value) {
  ASSIGN_OR_RETURN(const base::json::value parsed, parse(column, value));
  return parsed.is_object() ? absl::OkStatus() : refused(column);
}

bool is_canonical_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_hex_digit(text[i])) return false;
  }
  return true;
}

bool is_sha256_hex(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), is_hex_digit);
}

}  // namespace renderyard::testing
