#include "libs/common/runtime/listen_address.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <boost/asio/ip/address.hpp>

#include "libs/common/base/json.h"

namespace renderyard::runtime {

std::string ListenAddress::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return absl::StrCat(v6 ? "[" : "", host, v6 ? "]" : "", ":", port);
}

absl::StatusOr<ListenAddress> parse_listen_address(std::string_view text) {
  const auto wrong = [text](std::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", base::to_absl(text), "' ", base::to_absl(why), "; write host:port, like 127.0.0.1:8080"));
  };
  ListenAddress result;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find("]:");
    if (end == std::string_view::npos) return wrong("has no closing bracket and port");
    result.host = text.substr(1, end - 1);
    port = text.substr(end + 2);
    boost::system::error_code error;
    boost::asio::ip::make_address_v6(result.host, error);
    if (error) return wrong("has no IPv6 address between the brackets");
  } else {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return wrong("has no port");
    result.host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (result.host.find(':') != std::string::npos) return wrong("has an IPv6 address without brackets");
    if (result.host.empty()) return wrong("has no host");
  }
  int number = 0;
  if (!absl::SimpleAtoi(base::to_absl(port), &number) || number < 0 || number > 65535) {
    return wrong("has a port that is not a number from 0 to 65535");
  }
  result.port = static_cast<std::uint16_t>(number);
  return result;
}

bool is_loopback(const ListenAddress& address) {
  if (address.host == "localhost") return true;
  boost::system::error_code error;
  const auto ip = boost::asio::ip::make_address(address.host, error);
  if (error) return false;
  if (ip.is_v6() && ip.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, ip.to_v6()).is_loopback();
  }
  return ip.is_loopback();
}

absl::Status check_listener(std::string_view option, std::string_view address, const TransportSecurity& security) {
  if (address.empty()) return absl::OkStatus();
  const auto parsed = parse_listen_address(address);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(base::to_absl(option), ": ", parsed.status().message()));
  }
  if (is_loopback(*parsed) || security.complete()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      base::to_absl(option), ": ", base::to_absl(address),
      " is not loopback, which needs --tls-cert, --tls-key and --service-token-file; give them or listen on "
      "127.0.0.1"));
}

}  // namespace renderyard::runtime
