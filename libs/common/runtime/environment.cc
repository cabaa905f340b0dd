#include "libs/common/runtime/environment.h"

#include <algorithm>
#include <cctype>
#include <iterator>

#include "libs/common/runtime/option_names.h"
#include "libs/common/runtime/options.h"

namespace renderyard::runtime {

namespace {

constexpr std::string_view kPrefix = "RENDERYARD_";

bool is_protocol(std::string_view text) {
  return text == "TCP" || text == "UDP" || text == "SCTP";
}

// "<number>_TCP" or "<number>_TCP_PROTO", …_PORT, …_ADDR.
bool is_link_rest(std::string_view rest) {
  const auto digits = static_cast<std::size_t>(
      std::find_if(rest.begin(), rest.end(), [](unsigned char c) { return std::isdigit(c) == 0; }) - rest.begin());
  if (digits == 0 || digits == rest.size() || rest[digits] != '_') return false;
  rest.remove_prefix(digits + 1);
  for (const std::string_view suffix : {"_PROTO", "_PORT", "_ADDR"}) {
    if (rest.ends_with(suffix)) {
      rest.remove_suffix(suffix.size());
      break;
    }
  }
  return is_protocol(rest);
}

bool is_known(std::string_view name) {
  if (std::find(std::begin(kForeignVariables), std::end(kForeignVariables), name) != std::end(kForeignVariables)) {
    return true;
  }
  return std::any_of(std::begin(kOptionNames), std::end(kOptionNames),
                     [name](std::string_view option) { return Options::variable(option) == name; });
}

}  // namespace

bool is_kubernetes_variable(std::string_view name, std::string_view value) {
  if (name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT")) return true;
  if (name.find("_SERVICE_PORT_") != std::string_view::npos) return true;
  const auto port = name.find("_PORT");
  if (port == std::string_view::npos) return false;
  for (const std::string_view scheme : {"tcp://", "udp://", "sctp://"}) {
    if (value.starts_with(scheme)) return true;
  }
  // The service's own name may contain PORT: any of them will do.
  for (auto at = name.find("_PORT_"); at != std::string_view::npos; at = name.find("_PORT_", at + 1)) {
    if (is_link_rest(name.substr(at + 6))) return true;
  }
  return false;
}

std::vector<std::string> unknown_variables(const std::vector<std::pair<std::string, std::string>>& environment) {
  std::vector<std::string> result;
  for (const auto& [name, value] : environment) {
    if (!name.starts_with(kPrefix) || is_known(name) || is_kubernetes_variable(name, value)) continue;
    result.push_back(name + ": no service has such an option; see --print-config-docs for the names, or unset it");
  }
  return result;
}

}  // namespace renderyard::runtime
