// The few file operations the store needs, with errors as statuses that name operation and path.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <utility>

namespace renderyard::artifacts {

// An open file; closed when it goes.
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File();

  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// The status of errno after `operation` on `path`: NOT_FOUND for ENOENT, UNAVAILABLE for everything else.
absl::Status errno_status(std::string_view operation, const std::string& path);

absl::Status write_all(const File& file, std::string_view data, const std::string& path);
absl::Status sync_file(const File& file, const std::string& path);
// Makes names in the directory durable.
absl::Status sync_directory(const std::string& path);
// OK when it exists already.
absl::Status make_directory(const std::string& path);

}  // namespace renderyard::artifacts
