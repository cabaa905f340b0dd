#include "libs/common/adapters/redis/redis_url.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "libs/common/base/json.h"

namespace renderyard::redis {

namespace {

constexpr int kMaxPort = 65535;
constexpr int kMaxDatabase = 15;  // as Redis comes

absl::Status wrong(std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("--redis-url: ", base::to_absl(why), "; write it like redis://127.0.0.1:6379/0"));
}

}  // namespace

absl::StatusOr<RedisUrl> parse_redis_url(std::string_view text) {
  const auto parsed = boost::urls::parse_uri(boost::urls::string_view(text.data(), text.size()));
  if (!parsed) return wrong("is not a URL");
  const boost::urls::url_view& url = *parsed;
  if (std::string(url.scheme()) == "rediss") return wrong("TLS is not supported, use a private network or a tunnel");
  if (std::string(url.scheme()) != "redis") return wrong("must begin with redis://");
  if (url.has_query() || url.has_fragment()) return wrong("must not have a query or a fragment");
  RedisUrl result;
  result.host = url.host_address();
  if (result.host.empty()) return wrong("has no host");
  // Not url.port_number(): it wraps around.
  if (url.has_port() &&
      (!absl::SimpleAtoi(std::string(url.port()), &result.port) || result.port < 1 || result.port > kMaxPort)) {
    return wrong("has no port number from 1 to 65535");
  }
  result.user = url.user();
  result.password = url.password();
  const std::string path(url.encoded_path());
  if (path.size() > 1 &&
      (!absl::SimpleAtoi(path.substr(1), &result.database) || result.database < 0 || result.database > kMaxDatabase)) {
    return wrong("has no database number from 0 to 15");
  }
  return result;
}

}  // namespace renderyard::redis
