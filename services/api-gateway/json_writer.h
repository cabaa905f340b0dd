// Writes JSON text piece by piece, so that texts that must stay exactly as they were sent (workflows with seeds beyond
// 2^53) are spliced in and never pass through a number. Pure; no checks of what is spliced.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace renderyard::gateway {

// With its quotes. The text must be UTF-8.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

// RFC 3339, UTC, milliseconds: 2026-01-02T03:04:05.678Z.
std::string rfc3339(absl::Time time);

class JsonObject {
 public:
  JsonObject& text(std::string_view key, std::string_view value);
  JsonObject& number(std::string_view key, std::int64_t value);
  JsonObject& boolean(std::string_view key, bool value);
  JsonObject& null(std::string_view key);
  JsonObject& time(std::string_view key, absl::Time value);
  // `value` is JSON.
  JsonObject& raw(std::string_view key, std::string_view value);

  // null when there is none.
  JsonObject& text(std::string_view key, const std::optional<std::string>& value);
  JsonObject& number(std::string_view key, const std::optional<int>& value);
  JsonObject& time(std::string_view key, const std::optional<absl::Time>& value);
  JsonObject& raw(std::string_view key, const std::optional<std::string>& value);
  JsonObject& text(std::string_view key, const char* value) { return text(key, std::string_view(value)); }
  JsonObject& text(std::string_view key, const std::string& value) { return text(key, std::string_view(value)); }
  JsonObject& raw(std::string_view key, const std::string& value) { return raw(key, std::string_view(value)); }

  std::string finish() && { return std::move(out_ += '}'); }

 private:
  void key(std::string_view name);
  std::string out_ = "{";
};

}  // namespace renderyard::gateway
