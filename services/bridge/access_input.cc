#include "services/bridge/access_input.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>
#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::bridge {

namespace {

constexpr std::size_t kMaxHeaderName = 128;

// HTTP, the WebSocket handshake and the bridge set these themselves; ComfyUI refuses requests with a foreign Origin.
constexpr std::array<std::string_view, 16> kReserved = {"accept",
                                                        "connection",
                                                        "content-encoding",
                                                        "content-length",
                                                        "content-type",
                                                        "expect",
                                                        "host",
                                                        "keep-alive",
                                                        "origin",
                                                        "range",
                                                        "te",
                                                        "trailer",
                                                        "transfer-encoding",
                                                        "upgrade",
                                                        "user-agent",
                                                        "x-http-method-override"};

absl::Status wrong(std::string_view field, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(base::to_absl(field), ": ", base::to_absl(why)));
}

bool is_token_char(char c) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || kMarks.find(c) != std::string_view::npos;
}

bool is_value_char(char c) {
  return (c >= ' ' && c <= '~') || c == '\t';
}

absl::Status check_value(std::string_view field, const std::string& value) {
  if (value.size() > kMaxHeaderValue) return wrong(field, "is longer than 8192 characters");
  if (!std::all_of(value.begin(), value.end(), is_value_char)) {
    return wrong(field, "may have visible ASCII characters and blanks only; look for a line break at its end");
  }
  if (!value.empty() && (absl::ascii_isspace(static_cast<unsigned char>(value.front())) ||
                         absl::ascii_isspace(static_cast<unsigned char>(value.back())))) {
    return wrong(field, "must not begin or end with a blank");
  }
  return absl::OkStatus();
}

absl::Status check_header(const ports::SecretHeader& header) {
  const bool token = !header.name.empty() && header.name.size() <= kMaxHeaderName &&
                     std::all_of(header.name.begin(), header.name.end(), is_token_char);
  if (!token) return wrong("access.headers", "a header's name must be 1 to 128 letters, digits and hyphens");
  const std::string lower = absl::AsciiStrToLower(header.name);
  const bool reserved =
      std::find(kReserved.begin(), kReserved.end(), lower) != kReserved.end() || lower.starts_with("sec-websocket-");
  if (reserved) return wrong("access.headers", header.name + " is set by the bridge or by HTTP itself; leave it out");
  return check_value("access.headers: " + header.name, header.value);
}

}  // namespace

absl::StatusOr<std::vector<ports::SecretHeader>> check_access(AccessInput access) {
  std::vector<ports::SecretHeader> headers;
  if (access.basic && !access.bearer_token.empty()) {
    return wrong("access", "basic and bearer_token are two ways to fill the same header; give one");
  }
  if (access.basic) {
    const AccessInput::Basic& basic = *access.basic;
    if (basic.user.empty()) return wrong("access.basic.user", "must not be empty");
    if (basic.user.find(':') != std::string::npos) {
      return wrong("access.basic.user", "must not contain a colon, which ends the user's name in basic authentication");
    }
    if (basic.password.empty()) return wrong("access.basic.password", "must not be empty");
    headers.push_back({"Authorization", absl::StrCat("Basic ", absl::Base64Escape(basic.user + ":" + basic.password))});
    RETURN_IF_ERROR(check_value("access.basic", headers.back().value));
  }
  if (!access.bearer_token.empty()) {
    headers.push_back({"Authorization", "Bearer " + access.bearer_token});
    RETURN_IF_ERROR(check_value("access.bearer_token", headers.back().value));
  }
  for (ports::SecretHeader& header : access.headers) {
    RETURN_IF_ERROR(check_header(header));
    headers.push_back(std::move(header));
  }
  if (headers.size() > kMaxAccessHeaders) return wrong("access.headers", "at most 16 headers can be sent");
  std::set<std::string> seen;
  for (const ports::SecretHeader& header : headers) {
    if (seen.insert(absl::AsciiStrToLower(header.name)).second) continue;
    return wrong("access.headers", header.name + " is given twice");
  }
  return headers;
}

}  // namespace renderyard::bridge
