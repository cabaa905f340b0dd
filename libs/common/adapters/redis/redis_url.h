// redis://[user[:password]@]host[:port][/database]
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace renderyard::redis {

struct RedisUrl {
  std::string host;
  int port = 6379;
  std::string user;      // empty: the default user
  std::string password;  // empty: no AUTH
  int database = 0;
};

// INVALID_ARGUMENT says what is wrong, never with the text itself, which may hold a password. rediss:// is refused:
// this client has no TLS.
absl::StatusOr<RedisUrl> parse_redis_url(std::string_view text);

}  // namespace renderyard::redis
