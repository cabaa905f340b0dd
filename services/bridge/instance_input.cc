#include "services/bridge/instance_input.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::bridge {

namespace {

constexpr std::size_t kMaxName = 63;
constexpr std::size_t kMaxUrl = 512;
constexpr int kHttpPort = 80;
constexpr int kHttpsPort = 443;
constexpr int kMaxPort = 65535;

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_name_char(char c) {
  return is_name_start(c) || c == '.' || c == '_' || c == '-';
}

absl::Status wrong_url(std::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("api_url: ", base::to_absl(why), "; write it like http://10.0.0.5:8188"));
}

std::string lower(std::string_view text) {
  return absl::AsciiStrToLower(base::to_absl(text));
}

}  // namespace

absl::Status check_instance_name(std::string_view name) {
  if (!name.empty() && name.size() <= kMaxName && is_name_start(name.front()) &&
      std::all_of(name.begin(), name.end(), is_name_char)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "name: must be 1 to 63 lowercase letters, digits, dots, underscores and hyphens, beginning with a letter or "
      "digit");
}

absl::Status check_slots(int slots) {
  if (slots >= 1 && slots <= kMaxSlots) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("slots: must be 1 to ", kMaxSlots));
}

absl::StatusOr<InstanceAddress> check_address(std::string_view api_url) {
  if (api_url.size() > kMaxUrl) return wrong_url("is longer than 512 characters");
  const auto parsed = boost::urls::parse_uri(boost::urls::string_view(api_url.data(), api_url.size()));
  if (!parsed) return wrong_url("is not an absolute URL");
  const boost::urls::url_view& url = *parsed;
  const std::string scheme = lower(std::string(url.scheme()));
  if (scheme != "http" && scheme != "https") return wrong_url("must begin with http:// or https://");
  if (url.has_userinfo()) {
    return wrong_url("must not contain a user or password, which would end up in logs; give them as access");
  }
  if (url.has_query() || url.has_fragment()) return wrong_url("must not have a query or a fragment");
  const std::string host = lower(std::string(url.encoded_host()));
  if (host.empty()) return wrong_url("has no host");
  int port = scheme == "http" ? kHttpPort : kHttpsPort;
  const bool default_port = !url.has_port() || std::string(url.port()) == std::to_string(port);
  // Not url.port_number(): it wraps around.
  if (url.has_port() && (!absl::SimpleAtoi(std::string(url.port()), &port) || port < 1 || port > kMaxPort)) {
    return wrong_url("has no port number from 1 to 65535");
  }

  std::string rest = host;
  if (!default_port) absl::StrAppend(&rest, ":", port);
  rest += std::string(url.encoded_path());
  while (rest.ends_with('/')) rest.pop_back();

  return InstanceAddress{.api_url = scheme + "://" + rest, .ws_url = (scheme == "http" ? "ws://" : "wss://") + rest};
}

absl::StatusOr<ports::NewInstance> check_instance(std::string_view name, std::string_view api_url, int slots) {
  RETURN_IF_ERROR(check_instance_name(name));
  if (slots == 0) slots = 1;
  RETURN_IF_ERROR(check_slots(slots));
  ASSIGN_OR_RETURN(InstanceAddress address, check_address(api_url));
  ports::NewInstance instance;
  instance.name = std::string(name);
  instance.api_url = std::move(address.api_url);
  instance.ws_url = std::move(address.ws_url);
  instance.slots = slots;
  return instance;
}

}  // namespace renderyard::bridge
