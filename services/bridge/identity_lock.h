// A lock on the bridge's identity on this host, held as long as the process lives (stopped processes hold theirs).
// Whoever gets it knows that every earlier bridge of this id here is dead, not merely stopped: only then may the
// absence of a predecessor's prompt count as "not accepted".
#pragma once

#include <absl/status/statusor.h>

#include <string>

namespace renderyard::bridge {

class IdentityLock {
 public:
  // Creates `<directory>/bridge-<id>.lock` when missing. UNAVAILABLE: another process holds it; other errors: the
  // directory cannot be used.
  static absl::StatusOr<IdentityLock> take(const std::string& directory, const std::string& id);

  IdentityLock(IdentityLock&& other) noexcept;
  IdentityLock(const IdentityLock&) = delete;
  IdentityLock& operator=(const IdentityLock&) = delete;
  IdentityLock& operator=(IdentityLock&&) = delete;
  ~IdentityLock();

 private:
  explicit IdentityLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace renderyard::bridge
