#include "libs/common/adapters/postgres/accounts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "libs/common/adapters/postgres/digest.h"
#include "libs/common/adapters/postgres/errors.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::postgres {

namespace {

constexpr int kTokenBytes = 32;

constexpr Statement kEnsureUser = {"ensure_user", R"(
INSERT INTO users (name, role) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET role = excluded.role, disabled_at = NULL
RETURNING id)"};
constexpr Statement kAddToken = {"add_token", "INSERT INTO api_tokens (user_id, token_sha256) VALUES ($1, $2)"};
constexpr Statement kTokenIsLive = {"token_is_live", R"(
SELECT FROM api_tokens WHERE token_sha256 = $2 AND user_id = $1 AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > clock_timestamp()))"};

absl::Status file_error(const std::string& file) {
  return absl::PermissionDeniedError("cannot write " + file + ": " + std::strerror(errno));
}

// Under another name first, so that a reader sees the old token or the new one, never half of one.
absl::Status write_secret(const std::string& file, const std::string& text) {
  const std::string temporary = file + "." + std::to_string(::getpid()) + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return file_error(temporary);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!written || std::rename(temporary.c_str(), file.c_str()) != 0) {
    const absl::Status status = file_error(file);
    ::unlink(temporary.c_str());
    return status;
  }
  return absl::OkStatus();
}

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

}  // namespace

absl::StatusOr<ports::UserId> ensure_user(Session& session, const std::string& name, ports::Role role) {
  try {
    const pqxx::result result =
        session.run(kEnsureUser, Params().add(name).add(role == ports::Role::kAdmin ? "admin" : "user"));
    return ports::UserId{result.front()[0].as<std::int64_t>()};
  } catch (...) {
    return status_of_current_exception();
  }
}

absl::Status add_token(Session& session, ports::UserId user, const std::string& token_sha256) {
  try {
    session.run(kAddToken, Params().add(user).add(token_sha256));
    return absl::OkStatus();
  } catch (...) {
    return status_of_current_exception();
  }
}

absl::StatusOr<bool> ensure_token_file(Session& session, ports::UserId user, const std::string& file) {
  try {
    const std::string held = first_line(file);
    if (!held.empty() && !session.run(kTokenIsLive, Params().add(user).add(sha256_hex(held))).empty()) return false;
    const std::string token = "ry_" + random_base64url(kTokenBytes);
    // The database first: a token without a file is of no use to anybody, a file with a dead token would look right.
    RETURN_IF_ERROR(add_token(session, user, sha256_hex(token)));
    RETURN_IF_ERROR(write_secret(file, token + "\n"));
    return true;
  } catch (...) {
    return status_of_current_exception();
  }
}

}  // namespace renderyard::postgres
