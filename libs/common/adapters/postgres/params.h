// Params: the values of one prepared statement, in the order of $1, $2, … as PostgreSQL's text format.
// A text with a NUL character throws UnstorableText (libpq would cut it silently); status_of() makes INVALID_ARGUMENT
// of it.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "libs/common/base/ids.h"

namespace renderyard::postgres {

class UnstorableText : public std::runtime_error {
 public:
  UnstorableText() : std::runtime_error("a text has a NUL character") {}
};

class Params {
 public:
  Params& add(std::string_view text);
  Params& add(const char* text) { return add(std::string_view(text)); }
  Params& add(std::int64_t number);
  Params& add(int number) { return add(static_cast<std::int64_t>(number)); }
  Params& add(bool value);
  // As microseconds; the statement multiplies by interval '1 microsecond'. Clamped to ± 100 years.
  Params& add(absl::Duration duration);
  template <class Tag>
  Params& add(base::Id<Tag> id) {
    return add(id.value);
  }
  // NULL when absent.
  template <class T>
  Params& maybe(const std::optional<T>& value) {
    return value ? add(*value) : null();
  }
  Params& null();

  // bigint[] and text[].
  Params& array(const std::vector<std::int64_t>& numbers);
  Params& array(const std::vector<std::string>& texts);

  // Valid as long as this object is not changed.
  std::vector<const char*> pointers() const;

 private:
  std::vector<std::optional<std::string>> values_;
};

}  // namespace renderyard::postgres
