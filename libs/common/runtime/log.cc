#include "libs/common/runtime/log.h"

#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cmath>
#include <cstdint>
#include <variant>

#include "libs/common/base/json.h"

namespace renderyard::runtime {

namespace {

std::string_view level_name(base::Severity severity) {
  switch (severity) {
    case base::Severity::kDebug:
      return "debug";
    case base::Severity::kInfo:
      return "info";
    case base::Severity::kWarning:
      return "warning";
    case base::Severity::kError:
      return "error";
  }
  return "error";
}

base::Severity severity_from(std::string_view name) {
  if (name == "debug") return base::Severity::kDebug;
  if (name == "warning") return base::Severity::kWarning;
  if (name == "error") return base::Severity::kError;
  return base::Severity::kInfo;
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

// Length of the well-formed UTF-8 sequence at the start of `text` (Unicode 15, table 3-7); 0 when there is none.
std::size_t utf8_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  if (lead == 0xE0 && second < 0xA0) return 0;
  if (lead == 0xED && second > 0x9F) return 0;
  if (lead == 0xF0 && second < 0x90) return 0;
  if (lead == 0xF4 && second > 0x8F) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  return length;
}

void append_value(std::string& out, const std::variant<std::int64_t, double, bool, std::string>& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    absl::StrAppend(&out, *number);
  } else if (const auto* real = std::get_if<double>(&value)) {
    if (std::isfinite(*real)) {
      absl::StrAppend(&out, *real);
    } else {
      out += "null";
    }
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out += *flag ? "true" : "false";
  } else {
    append_json_string(out, std::get<std::string>(value));
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else if (length > 1) {
      out += text.substr(0, length);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4U];
      out += kHex[static_cast<unsigned char>(c) & 0xFU];
    } else {
      out += c;
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

std::string format_log_line(absl::Time time, base::Severity severity, std::string_view service, std::string_view event,
                            std::initializer_list<base::Field> fields) {
  std::string line = "{\"ts\":\"";
  line += absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
  line += "\",\"level\":\"";
  line += level_name(severity);
  line += "\",\"service\":";
  append_json_string(line, service);
  line += ",\"event\":";
  append_json_string(line, event);
  for (const base::Field& field : fields) {
    line += ',';
    append_json_string(line, field.name);
    line += ':';
    append_value(line, field.value);
  }
  line += '}';
  return line;
}

JsonLog::JsonLog(std::string service, std::string_view level)
    : service_(std::move(service)),
      level_(severity_from(level)),
      logger_(std::make_shared<spdlog::logger>(service_, std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  logger_->set_pattern("%v");
  logger_->set_level(spdlog::level::trace);
  logger_->flush_on(spdlog::level::trace);
}

JsonLog::~JsonLog() = default;

void JsonLog::record(base::Severity severity, std::string_view event, std::initializer_list<base::Field> fields) {
  if (severity < level_) return;
  const std::string line = format_log_line(absl::Now(), severity, service_, event, fields);
  logger_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace renderyard::runtime
