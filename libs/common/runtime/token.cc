#include "libs/common/runtime/token.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <openssl/crypto.h>

#include <fstream>
#include <iterator>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::runtime {

namespace {
constexpr std::size_t kMinTokenLength = 16;
constexpr std::string_view kBearer = "Bearer ";
}  // namespace

absl::StatusOr<std::string> read_file(std::string_view option, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in || content.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(base::to_absl(option), ": '", path, "' cannot be read or is empty"));
  }
  return content;
}

absl::StatusOr<std::string> read_service_token(const std::string& path) {
  if (path.empty()) return std::string();
  ASSIGN_OR_RETURN(const std::string content, read_file("--service-token-file", path));
  std::string token(absl::StripAsciiWhitespace(content));
  if (token.size() < kMinTokenLength) {
    return absl::InvalidArgumentError(
        absl::StrCat("--service-token-file: the token in '", path, "' has less than ", kMinTokenLength, " characters"));
  }
  return token;
}

bool bears_token(std::string_view authorization, std::string_view token) {
  if (token.empty() || !authorization.starts_with(kBearer)) return false;
  authorization.remove_prefix(kBearer.size());
  return authorization.size() == token.size() && CRYPTO_memcmp(authorization.data(), token.data(), token.size()) == 0;
}

}  // namespace renderyard::runtime
