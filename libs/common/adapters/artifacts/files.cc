#include "libs/common/adapters/artifacts/files.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "libs/common/base/json.h"

namespace renderyard::artifacts {

namespace {
constexpr mode_t kDirectoryMode = 0755;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status errno_status(std::string_view operation, const std::string& path) {
  const int error = errno;
  const std::string text = absl::StrCat("artifact store: ", base::to_absl(operation), " '", path,
                                        "': ", std::generic_category().message(error));
  if (error == ENOENT) return absl::NotFoundError(text);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) return absl::ResourceExhaustedError(text);
  return absl::UnavailableError(text);
}

absl::Status write_all(const File& file, std::string_view data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t written = ::write(file.fd(), data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_status("write", path);
    data.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status sync_file(const File& file, const std::string& path) {
  if (::fsync(file.fd()) != 0) return errno_status("fsync", path);
  return absl::OkStatus();
}

absl::Status sync_directory(const std::string& path) {
  const File directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return errno_status("open", path);
  return sync_file(directory, path);
}

absl::Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) != 0 && errno != EEXIST) return errno_status("mkdir", path);
  return absl::OkStatus();
}

}  // namespace renderyard::artifacts
