// A lock on the bridge's identity on this host, held as long as the process lives (stopped processes hold theirs).
// Whoever gets it knows that every earlier bridge of this id here is dead, not merely stopped: only then may the
// absence of a predecessor's prompt count as "not accepted".
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <utility>

namespace renderyard::bridge {

class IdentityLock {
 public:
  // Creates `<directory>/bridge-<id>.lock` when missing. UNAVAILABLE: another process holds it; other errors: the
  // directory cannot be used.
  static absl::StatusOr<IdentityLock> take(const std::string& directory, const std::string& id);

  // Names this lock among all there are: 32 hex digits, kept in the file. A lock directory of another host, or of
  // another container, has another one.
  const std::string& token() const { return token_; }

  IdentityLock(IdentityLock&& other) noexcept;
  IdentityLock(const IdentityLock&) = delete;
  IdentityLock& operator=(const IdentityLock&) = delete;
  IdentityLock& operator=(IdentityLock&&) = delete;
  ~IdentityLock();

 private:
  IdentityLock(int fd, std::string token) : fd_(fd), token_(std::move(token)) {}
  int fd_ = -1;
  std::string token_;
};

}  // namespace renderyard::bridge
