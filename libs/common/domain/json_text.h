// JSON as text: finds where values stand without interpreting numbers, so that a text can be cut and spliced exactly.
// Strict RFC 8259 and UTF-8; pure; positions are bytes.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace renderyard::domain {

// Deepest nesting accepted. Workflows have fewer than 10 levels; Python's own reader gives up near 1000.
inline constexpr int kJsonTextDepth = 128;

// OK when `text` is exactly one JSON value in UTF-8. INVALID_ARGUMENT with line and column otherwise;
// FAILED_PRECONDITION when it is JSON but has U+0000 or half a surrogate pair in a string, which no store takes.
absl::Status check_json_text(std::string_view text);

struct JsonMember {
  std::string key;         // decoded
  std::string_view value;  // the text of the value, without space around it
};

// The following take text that check_json_text() found to be OK (or a part of it) and give nothing for anything else.

// Members of an object, in the order of the text.
std::vector<JsonMember> json_members(std::string_view object);
// The text of the member `key` of an object, the last one if it stands twice (as Python reads it); empty when absent.
std::string_view json_member(std::string_view object, std::string_view key);
// The decoded text of a string.
std::string json_string(std::string_view string);

inline bool is_json_object(std::string_view value) {
  return value.starts_with('{');
}
inline bool is_json_array(std::string_view value) {
  return value.starts_with('[');
}
inline bool is_json_string(std::string_view value) {
  return value.starts_with('"');
}

}  // namespace renderyard::domain
