#include "services/bridge/identity_lock.h"

#include <absl/strings/escaping.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace renderyard::bridge {

namespace {

constexpr std::size_t kTokenBytes = 16;
constexpr std::size_t kTokenDigits = 2 * kTokenBytes;

// The token of the locked file; a new one is written when there is none.
absl::StatusOr<std::string> token_in(int fd) {
  std::array<char, kTokenDigits> kept{};
  if (::pread(fd, kept.data(), kept.size(), 0) == static_cast<ssize_t>(kept.size())) {
    return std::string(kept.data(), kept.size());
  }
  std::array<char, kTokenBytes> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    return absl::UnavailableError("no random bytes from the kernel");
  }
  std::string token = absl::BytesToHexString(absl::string_view(random.data(), random.size()));
  if (::pwrite(fd, token.data(), token.size(), 0) != static_cast<ssize_t>(token.size()) || ::fsync(fd) != 0) {
    return absl::ErrnoToStatus(errno, "the lock file in lock-dir cannot be written");
  }
  return token;
}

}  // namespace

absl::StatusOr<IdentityLock> IdentityLock::take(const std::string& directory, const std::string& id) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::ErrnoToStatus(error.value(), "lock-dir cannot be created");
  const std::string path = directory + "/bridge-" + id + ".lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return absl::ErrnoToStatus(errno, "the lock file in lock-dir cannot be opened");
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    ::close(fd);
    if (code == EWOULDBLOCK) return absl::UnavailableError("another process of this bridge id lives on this host");
    return absl::ErrnoToStatus(code, "the lock file in lock-dir cannot be locked");
  }
  auto token = token_in(fd);
  if (!token.ok()) {
    ::close(fd);
    return token.status();
  }
  return IdentityLock(fd, *std::move(token));
}

IdentityLock::IdentityLock(IdentityLock&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), token_(std::move(other.token_)) {}

IdentityLock::~IdentityLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace renderyard::bridge
