#include "services/bridge/identity_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace renderyard::bridge {

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
  return IdentityLock(fd);
}

IdentityLock::IdentityLock(IdentityLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

IdentityLock::~IdentityLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace renderyard::bridge
