// SHA-256 as 64 lowercase hex digits. Pure.
#pragma once

#include <string>
#include <string_view>

namespace renderyard::gateway {

std::string sha256_hex(std::string_view data);

}  // namespace renderyard::gateway
