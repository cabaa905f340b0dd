// Addresses to listen on, and the rule who may listen where (promise G10): the admin and gRPC ports answer without a
// user's authentication, so they bind to loopback, and bound elsewhere need TLS and a service token.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace renderyard::runtime {

struct ListenAddress {
  std::string host;        // an IPv4 or IPv6 address or a name, without brackets
  std::uint16_t port = 0;  // 0 = any free one

  // host:port, with brackets around IPv6.
  std::string text() const;
};

// "127.0.0.1:0", "[::1]:50051", "localhost:50051", "0.0.0.0:50051". INVALID_ARGUMENT says what is wrong.
absl::StatusOr<ListenAddress> parse_listen_address(std::string_view text);

// Only literal loopback addresses and the name "localhost"; any other name may lead anywhere.
bool is_loopback(const ListenAddress& address);

// Files; empty = not given.
struct TransportSecurity {
  std::string tls_cert;
  std::string tls_key;
  std::string tls_ca;              // of the peers we call
  std::string service_token_file;  // one line, shared by the services

  bool complete() const { return !tls_cert.empty() && !tls_key.empty() && !service_token_file.empty(); }
};

// OK when `address` may be listened on; INVALID_ARGUMENT names `option` and the remedy. An empty address is off, thus
// OK.
absl::Status check_listener(std::string_view option, std::string_view address, const TransportSecurity& security);

}  // namespace renderyard::runtime
