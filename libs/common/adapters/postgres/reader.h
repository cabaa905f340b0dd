// Reader: the columns of one result row from left to right, as typed values. Sessions run with TimeZone UTC and ISO
// dates. Throws pqxx's or std's exceptions on a column that does not fit; the adapter's guard maps them to INTERNAL.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "libs/common/adapters/postgres/pqxx_shim.h"
#include "libs/common/base/ids.h"

namespace renderyard::postgres {

// "2026-08-01 12:34:56.123456+00", as PostgreSQL writes timestamptz under UTC.
absl::Time parse_timestamp(const char* text);

class Reader {
 public:
  explicit Reader(const pqxx::row& row) : row_(row) {}  // a row is a shared handle

  std::string text() { return next().c_str(); }
  std::int64_t number() { return next().as<std::int64_t>(); }
  int small() { return next().as<int>(); }
  bool boolean() { return next().as<bool>(); }
  absl::Time time() { return parse_timestamp(next().c_str()); }
  template <class IdType>
  IdType id() {
    return IdType{number()};
  }

  std::optional<std::string> maybe_text();
  std::optional<int> maybe_small();
  std::optional<bool> maybe_boolean();
  std::optional<absl::Time> maybe_time();
  std::optional<absl::Time> maybe_unix_ms();
  template <class IdType>
  std::optional<IdType> maybe_id() {
    const pqxx::field field = next();
    if (field.is_null()) return std::nullopt;
    return IdType{field.as<std::int64_t>()};
  }

 private:
  pqxx::field next() { return row_[column_++]; }

  const pqxx::row row_;
  pqxx::row::size_type column_ = 0;
};

}  // namespace renderyard::postgres
