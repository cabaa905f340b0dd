#include "cli/access_file.h"

#include <absl/strings/str_cat.h>

#include <boost/json/parse.hpp>
#include <fstream>
#include <iostream>
#include <iterator>

#include "libs/common/base/status_macros.h"

namespace renderyard::cli {

namespace {

namespace json = boost::json;

constexpr std::size_t kMaxFile = 256 * 1024;

std::string text_of(json::string_view text) {
  return {text.data(), text.size()};
}

absl::Status wrong(const std::string& why) {
  return absl::InvalidArgumentError(
      "access: " + why +
      R"(; write {"basic": {"user": …, "password": …}} or {"bearer": …}, and "headers": {"X-Name": …} for others)");
}

absl::StatusOr<std::string> string_at(const std::string& where, const json::value& value) {
  if (!value.is_string()) return wrong(where + " must be a string");
  return text_of(value.get_string());
}

absl::Status read_basic(const json::value& value, v1::BasicCredentials& basic) {
  if (!value.is_object()) return wrong("basic must be an object");
  for (const auto& [key, member] : value.get_object()) {
    const std::string name = text_of(key);
    ASSIGN_OR_RETURN(const std::string text, string_at("basic." + name, member));
    if (name == "user") {
      basic.set_user(text);
    } else if (name == "password") {
      basic.set_password(text);
    } else {
      return wrong("basic." + name + " is unknown");
    }
  }
  return absl::OkStatus();
}

absl::Status read_headers(const json::value& value, v1::InstanceAccess& access) {
  if (!value.is_object()) return wrong("headers must be an object");
  for (const auto& [key, member] : value.get_object()) {
    ASSIGN_OR_RETURN(const std::string text, string_at("headers." + text_of(key), member));
    v1::AccessHeader* const header = access.add_headers();
    header->set_name(text_of(key));
    header->set_value(text);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::InstanceAccess> parse_access(std::string_view text) {
  boost::system::error_code error;
  const json::value document = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !document.is_object()) return wrong("is no JSON object");
  v1::InstanceAccess access;
  for (const auto& [key, value] : document.get_object()) {
    const std::string name = text_of(key);
    if (name == "basic") {
      RETURN_IF_ERROR(read_basic(value, *access.mutable_basic()));
    } else if (name == "bearer") {
      ASSIGN_OR_RETURN(const std::string token, string_at(name, value));
      access.set_bearer_token(token);
    } else if (name == "headers") {
      RETURN_IF_ERROR(read_headers(value, access));
    } else {
      return wrong(name + " is unknown");
    }
  }
  return access;
}

absl::StatusOr<v1::InstanceAccess> read_access_file(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) return absl::NotFoundError(absl::StrCat("access: ", path, " cannot be read"));
  }
  std::istream& in = path == "-" ? std::cin : file;
  std::string text(kMaxFile + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMaxFile) return wrong("is larger than 256 KiB");
  return parse_access(text);
}

}  // namespace renderyard::cli
