// Credentials for an instance, from a file or standard input: never from arguments, which every process list shows.
//
//   {"basic": {"user": "…", "password": "…"}}   or   {"bearer": "…"}   and   "headers": {"X-Name": "…"}
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "renderyard/v1/instance.pb.h"

namespace renderyard::cli {

// INVALID_ARGUMENT says what is wrong and never repeats a value.
absl::StatusOr<v1::InstanceAccess> parse_access(std::string_view json);

// "-" is standard input. NOT_FOUND: it cannot be read.
absl::StatusOr<v1::InstanceAccess> read_access_file(const std::string& path);

}  // namespace renderyard::cli
