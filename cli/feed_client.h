// The client's end of the gateway's WebSocket (Boost.Beast), with or without TLS. Blocking with time limits; one
// thread.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>
#include <optional>
#include <string>

namespace renderyard::cli {

class FeedClient {
 public:
  virtual ~FeedClient() = default;
  // UNAVAILABLE.
  virtual absl::Status send(const std::string& text) = 0;
  // The next message; nullopt when none came in time; UNAVAILABLE: the connection has ended.
  virtual absl::StatusOr<std::optional<std::string>> receive(absl::Duration wait) = 0;
};

// Connects to <base>/api/v1/ws. INVALID_ARGUMENT: no usable address; UNAUTHENTICATED; UNAVAILABLE.
absl::StatusOr<std::unique_ptr<FeedClient>> open_feed(const std::string& base, const std::string& token);

}  // namespace renderyard::cli
