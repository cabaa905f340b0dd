// What PostgreSQL refuses in text and jsonb columns. Errors: INVALID_ARGUMENT, as the adapter maps SQLSTATE class 22.
#pragma once

#include <absl/status/status.h>

#include <string_view>

namespace renderyard::testing {

// Text: no NUL byte, valid UTF-8. `column` goes into the message.
absl::Status check_text(std::string_view column, std::string_view value);
// jsonb: strict JSON (no bare NaN or Infinity, no lone surrogate) without U+0000 in any string or key.
absl::Status check_json(std::string_view column, std::string_view value);
absl::Status check_json_object(std::string_view column, std::string_view value);
// Columns with CHECKs on their form.
bool is_canonical_uuid(std::string_view text);
bool is_sha256_hex(std::string_view text);

}  // namespace renderyard::testing
