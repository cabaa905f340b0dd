#include "services/bridge/comfy/instance_url.h"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace renderyard::comfy {

namespace {

std::string joined(std::string_view scheme, const InstanceUrl& url, std::string_view target) {
  std::string out(scheme);
  out += "://";
  out += url.authority;
  out += url.path;
  out += target;
  return out;
}

std::string copy(boost::core::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

std::string InstanceUrl::http(std::string_view target) const {
  return joined(tls ? "https" : "http", *this, target);
}
std::string InstanceUrl::ws(std::string_view target) const {
  return joined(tls ? "wss" : "ws", *this, target);
}

absl::StatusOr<InstanceUrl> parse_instance_url(std::string_view text) {
  const auto parsed = boost::urls::parse_uri({text.data(), text.size()});
  if (!parsed) return absl::InvalidArgumentError("not a URL");
  InstanceUrl out;
  const std::string scheme = copy(parsed->scheme());
  out.tls = scheme == "https" || scheme == "wss";
  if (!out.tls && scheme != "http" && scheme != "ws")
    return absl::InvalidArgumentError("the scheme must be http(s) or ws(s)");
  if (parsed->has_userinfo() || parsed->has_query() || parsed->has_fragment()) {
    return absl::InvalidArgumentError("an instance's URL has no user, query or fragment");
  }
  out.host = parsed->host_type() == boost::urls::host_type::name ? parsed->host() : parsed->host_address();
  if (out.host.empty()) return absl::InvalidArgumentError("the URL has no host");
  out.port = copy(parsed->port());
  out.authority = copy(parsed->encoded_host());
  if (!out.port.empty()) out.authority += ":" + out.port;
  if (out.port.empty()) out.port = out.tls ? "443" : "80";
  out.path = copy(parsed->encoded_path());
  while (out.path.ends_with('/')) out.path.pop_back();
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace renderyard::comfy
