// Strong identifiers: a JobId cannot be passed where an ExecutionId is meant.
// Values are those of the database's bigint columns; 0 and below are "none".
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

namespace renderyard::base {

template <class Tag>
struct Id {
  std::int64_t value = 0;

  explicit operator bool() const { return value > 0; }
  friend auto operator<=>(const Id&, const Id&) = default;
  friend std::ostream& operator<<(std::ostream& os, Id id) { return os << id.value; }
  friend std::string to_string(Id id) { return std::to_string(id.value); }
};

using JobId = Id<struct JobTag>;
using ExecutionId = Id<struct ExecutionTag>;
using InstanceId = Id<struct InstanceTag>;
using UserId = Id<struct UserTag>;

// Generation number of an instance's lease; each acquisition raises it by one.
using Epoch = Id<struct EpochTag>;

}  // namespace renderyard::base

template <class Tag>
struct std::hash<renderyard::base::Id<Tag>> {
  std::size_t operator()(const renderyard::base::Id<Tag>& id) const noexcept {
    return std::hash<std::int64_t>{}(id.value);
  }
};
