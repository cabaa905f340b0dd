// What an operator may write as the name and the address of an instance. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "libs/common/ports/instance_store.h"

namespace renderyard::bridge {

inline constexpr int kMaxSlots = 8;

// Checks all and brings the address into the one form that is stored: lowercase scheme and host, no default port, no
// trailing slash, the WebSocket's address derived from it. slots 0 means 1. INVALID_ARGUMENT names the field and the
// remedy; it never repeats user information of an address.
absl::StatusOr<ports::NewInstance> check_instance(std::string_view name, std::string_view api_url, int slots);

struct InstanceAddress {
  std::string api_url, ws_url;
};
// The address alone.
absl::StatusOr<InstanceAddress> check_address(std::string_view api_url);
absl::Status check_slots(int slots);

// OK for [a-z0-9][a-z0-9._-]{0,62}.
absl::Status check_instance_name(std::string_view name);

}  // namespace renderyard::bridge
