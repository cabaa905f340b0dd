// The service token: what the services show each other, read from --service-token-file.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace renderyard::runtime {

// The file's one line without white space around it. INVALID_ARGUMENT: not readable, or shorter than 16 characters. The
// messages name the file, never its content. An empty path gives an empty token.
absl::StatusOr<std::string> read_service_token(const std::string& path);

// The content of a (PEM) file. INVALID_ARGUMENT names `option` and the file.
absl::StatusOr<std::string> read_file(std::string_view option, const std::string& path);

// Whether `authorization` is "Bearer <token>"; takes the same time wherever they differ.
bool bears_token(std::string_view authorization, std::string_view token);

}  // namespace renderyard::runtime
