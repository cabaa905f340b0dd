// absl::Status <-> grpc::Status, in one place. The codes are the same seventeen; texts are clipped, because they travel
// in HTTP/2 trailers (8 KiB by default).
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

namespace renderyard::runtime {

inline constexpr std::size_t kMaxStatusText = 2048;

grpc::Status to_grpc(const absl::Status& status);
// A code that no table knows becomes UNKNOWN.
absl::Status from_grpc(const grpc::Status& status);

}  // namespace renderyard::runtime
