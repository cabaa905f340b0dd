#include "libs/common/adapters/postgres/reader.h"

#include <absl/time/civil_time.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace renderyard::postgres {

absl::Time parse_timestamp(const char* text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, read = 0;
  if (std::sscanf(text, "%d-%d-%d %d:%d:%d%n", &year, &month, &day, &hour, &minute, &second, &read) != 6) {
    throw std::runtime_error("a time stamp that cannot be read");
  }
  std::int64_t micros = 0;
  const char* rest = text + read;
  if (*rest == '.') {
    ++rest;
    std::int64_t unit = 100000;
    for (; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) micros += (*rest - '0') * unit;
  }
  if (std::string_view(rest) != "+00") throw std::runtime_error("a time stamp that is not UTC");
  return absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute, second), absl::UTCTimeZone()) +
         absl::Microseconds(micros);
}

std::optional<std::string> Reader::maybe_text() {
  const pqxx::field field = next();
  if (field.is_null()) return std::nullopt;
  return std::string(field.c_str());
}

std::optional<bool> Reader::maybe_boolean() {
  const pqxx::field field = next();
  if (field.is_null()) return std::nullopt;
  return field.as<bool>();
}

std::optional<int> Reader::maybe_small() {
  const pqxx::field field = next();
  if (field.is_null()) return std::nullopt;
  return field.as<int>();
}

std::optional<absl::Time> Reader::maybe_unix_ms() {
  const pqxx::field field = next();
  if (field.is_null()) return std::nullopt;
  return absl::FromUnixMillis(field.as<std::int64_t>());
}

std::optional<absl::Time> Reader::maybe_time() {
  const pqxx::field field = next();
  if (field.is_null()) return std::nullopt;
  return parse_timestamp(field.c_str());
}

}  // namespace renderyard::postgres
