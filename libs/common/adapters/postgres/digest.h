// SHA-256 and random bytes, for migrations and tokens.
#pragma once

#include <string>
#include <string_view>

namespace renderyard::postgres {

// 64 lowercase hex digits (FIPS 180-4).
std::string sha256_hex(std::string_view text);
// `bytes` random bytes from OpenSSL's generator as base64url without padding (RFC 4648 §5). Aborts when there are none.
std::string random_base64url(int bytes);

}  // namespace renderyard::postgres
