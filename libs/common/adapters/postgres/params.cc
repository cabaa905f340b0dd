#include "libs/common/adapters/postgres/params.h"

#include <algorithm>

namespace renderyard::postgres {

Params& Params::add(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) throw UnstorableText();
  values_.emplace_back(std::string(text));
  return *this;
}

Params& Params::add(std::int64_t number) {
  values_.emplace_back(std::to_string(number));
  return *this;
}

Params& Params::add(bool value) {
  values_.emplace_back(value ? "t" : "f");
  return *this;
}

Params& Params::add(absl::Duration duration) {
  const absl::Duration century = absl::Hours(24 * 365 * 100);
  return add(static_cast<std::int64_t>(absl::ToInt64Microseconds(std::clamp(duration, -century, century))));
}

Params& Params::null() {
  values_.emplace_back(std::nullopt);
  return *this;
}

Params& Params::array(const std::vector<std::int64_t>& numbers) {
  std::string literal = "{";
  for (const std::int64_t number : numbers) {
    if (literal.size() > 1) literal += ',';
    literal += std::to_string(number);
  }
  literal += '}';
  values_.emplace_back(std::move(literal));
  return *this;
}

// PostgreSQL's array input: every element quoted, with backslash before quote and backslash.
Params& Params::array(const std::vector<std::string>& texts) {
  std::string literal = "{";
  for (const std::string& text : texts) {
    if (text.find('\0') != std::string::npos) throw UnstorableText();
    if (literal.size() > 1) literal += ',';
    literal += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') literal += '\\';
      literal += c;
    }
    literal += '"';
  }
  literal += '}';
  values_.emplace_back(std::move(literal));
  return *this;
}

std::vector<const char*> Params::pointers() const {
  std::vector<const char*> pointers;
  pointers.reserve(values_.size());
  for (const auto& value : values_) pointers.push_back(value ? value->c_str() : nullptr);
  return pointers;
}

}  // namespace renderyard::postgres
