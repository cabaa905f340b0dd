// Fetches the outputs of a job into a directory and checks them. Blocking; one thread.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cli/http_client.h"

namespace renderyard::cli {

// Writes <directory>/<job id>-<n>-<file name> (under a temporary name until length and SHA-256 are right; an older file
// of that name is replaced). The paths written, in the order of n. DATA_LOSS: what came is not what the gateway
// announced.
absl::StatusOr<std::vector<std::string>> fetch_outputs(HttpClient& http, const std::string& job,
                                                       const std::string& directory);

}  // namespace renderyard::cli
