// Where an instance is, taken apart, and what is sent with every request to it. Base paths are kept, so a server may
// stand behind a path of a proxy.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

#include "libs/common/ports/model.h"

namespace renderyard::comfy {

struct InstanceUrl {
  bool tls = false;
  std::string host;       // name or address, IPv6 without brackets
  std::string port;       // never empty
  std::string authority;  // as in the Host header
  std::string path;       // without trailing slash, may be empty
  // Credentials: sent with every request and handshake, after TLS has shown who answers; never a part of a URL or an
  // error.
  std::vector<ports::SecretHeader> headers;

  // scheme://authority/path + target; target begins with a slash.
  std::string http(std::string_view target) const;
  std::string ws(std::string_view target) const;
};

// http, https, ws and wss are taken. INVALID_ARGUMENT for anything else, and for URLs with user, query or fragment.
absl::StatusOr<InstanceUrl> parse_instance_url(std::string_view url);

// RFC 3986 unreserved characters stay, every other byte becomes %XX.
std::string percent_encode(std::string_view text);

}  // namespace renderyard::comfy
