// What an operator may give the bridge to get into an instance, made into the headers that are sent. Pure. No error
// repeats a value: they are secrets.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "libs/common/ports/model.h"

namespace renderyard::bridge {

inline constexpr std::size_t kMaxAccessHeaders = 16;
inline constexpr std::size_t kMaxHeaderValue = 8192;

struct AccessInput {
  struct Basic {
    std::string user;
    std::string password;
  };
  std::optional<Basic> basic;
  std::string bearer_token;  // empty = none
  std::vector<ports::SecretHeader> headers;
};

// INVALID_ARGUMENT "access…: …" names the field and the remedy. Names are unique whatever their case.
absl::StatusOr<std::vector<ports::SecretHeader>> check_access(AccessInput access);

}  // namespace renderyard::bridge
