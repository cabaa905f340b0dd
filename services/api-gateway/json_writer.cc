#include "services/api-gateway/json_writer.h"

namespace renderyard::gateway {

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    switch (c) {
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
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kHex[static_cast<unsigned char>(c) >> 4];
          out += kHex[static_cast<unsigned char>(c) & 15];
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

void JsonObject::key(std::string_view name) {
  if (out_.size() > 1) out_ += ',';
  append_json_string(out_, name);
  out_ += ':';
}

JsonObject& JsonObject::text(std::string_view name, std::string_view value) {
  key(name);
  append_json_string(out_, value);
  return *this;
}

JsonObject& JsonObject::number(std::string_view name, std::int64_t value) {
  return raw(name, std::to_string(value));
}

JsonObject& JsonObject::boolean(std::string_view name, bool value) {
  return raw(name, std::string_view(value ? "true" : "false"));
}

JsonObject& JsonObject::null(std::string_view name) {
  return raw(name, std::string_view("null"));
}

JsonObject& JsonObject::time(std::string_view name, absl::Time value) {
  return text(name, rfc3339(value));
}

JsonObject& JsonObject::raw(std::string_view name, std::string_view value) {
  key(name);
  out_ += value;
  return *this;
}

JsonObject& JsonObject::text(std::string_view name, const std::optional<std::string>& value) {
  return value ? text(name, *value) : null(name);
}

JsonObject& JsonObject::number(std::string_view name, const std::optional<int>& value) {
  return value ? number(name, static_cast<std::int64_t>(*value)) : null(name);
}

JsonObject& JsonObject::time(std::string_view name, const std::optional<absl::Time>& value) {
  return value ? time(name, *value) : null(name);
}

JsonObject& JsonObject::raw(std::string_view name, const std::optional<std::string>& value) {
  return value ? raw(name, *value) : null(name);
}

}  // namespace renderyard::gateway
