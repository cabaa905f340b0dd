#include "libs/common/adapters/artifacts/upload.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::artifacts {

namespace {

constexpr std::size_t kHashDigits = 64;
constexpr mode_t kBlobMode = 0644;
constexpr auto kMaxWait = std::chrono::milliseconds(250);

absl::StatusOr<std::string> random_name() {
  std::array<char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return absl::UnavailableError("artifact store: no random bytes from the kernel");
  }
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

}  // namespace

std::string blob_path(const std::string& root, std::string_view sha256) {
  return absl::StrCat(root, "/sha256/", base::to_absl(sha256.substr(0, 2)), "/", base::to_absl(sha256.substr(2, 2)),
                      "/", base::to_absl(sha256));
}

bool is_sha256(std::string_view text) {
  return text.size() == kHashDigits &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

absl::StatusOr<std::shared_ptr<Upload>> Upload::begin(std::string root, std::size_t max_buffered) {
  ASSIGN_OR_RETURN(const std::string name, random_name());
  std::string path = absl::StrCat(root, "/staging/", name);
  File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kBlobMode));
  if (!file) {
    const absl::Status status = errno_status("create", path);
    return absl::UnavailableError(status.message());  // also when the directory is away
  }
  return std::shared_ptr<Upload>(new Upload(std::move(root), std::move(path), std::move(file), max_buffered));
}

Upload::Upload(std::string root, std::string path, File file, std::size_t max_buffered)
    : root_(std::move(root)),
      path_(std::move(path)),
      max_buffered_(max_buffered),
      file_(std::move(file)),
      digest_(EVP_MD_CTX_new()) {
  if (!digest_ || EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr) != 1) {
    error_ = absl::InternalError("artifact store: SHA-256 is not available");
  }
}

Upload::~Upload() {
  if (!moved_) ::unlink(path_.c_str());
}

absl::Status Upload::first_error() {
  base::MutexLock lock(mutex_);
  return error_;
}

absl::Status Upload::reserve(std::size_t size) {
  base::MutexLock lock(mutex_);
  const auto end = std::chrono::steady_clock::now() + kMaxWait;
  // A chunk larger than the whole buffer goes when nothing else waits.
  while (error_.ok() && buffered_ != 0 && buffered_ + size > max_buffered_) {
    if (room_.wait_until(mutex_, end) == std::cv_status::timeout) {
      return absl::UnavailableError("artifact store: the disk is slower than its source");
    }
  }
  if (!error_.ok()) return error_;
  buffered_ += size;
  return absl::OkStatus();
}

void Upload::append(std::string_view chunk) {
  absl::Status status = first_error();
  if (status.ok()) status = write_all(file_, chunk, path_);
  if (status.ok() && EVP_DigestUpdate(digest_.get(), chunk.data(), chunk.size()) != 1) {
    status = absl::InternalError("artifact store: SHA-256 failed");
  }
  size_ += static_cast<std::int64_t>(chunk.size());
  base::MutexLock lock(mutex_);
  error_ = std::move(status);
  buffered_ -= chunk.size();
  room_.notify_one();
}

absl::StatusOr<ports::StoredBlob> Upload::commit() {
  RETURN_IF_ERROR(first_error());
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int length = 0;
  if (EVP_DigestFinal_ex(digest_.get(), hash.data(), &length) != 1) {
    return absl::InternalError("artifact store: SHA-256 failed");
  }
  ports::StoredBlob blob;
  blob.sha256 = absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash.data()), length));
  blob.size_bytes = size_;
  RETURN_IF_ERROR(sync_file(file_, path_));
  const std::string target = blob_path(root_, blob.sha256);
  const std::string top = root_ + "/sha256";
  const std::string second = target.substr(0, target.rfind('/'));
  const std::string first = second.substr(0, second.rfind('/'));
  RETURN_IF_ERROR(make_directory(first));
  RETURN_IF_ERROR(make_directory(second));
  // Onto an older blob of the same content too: those who read that one keep it, and a damaged one is replaced.
  if (std::rename(path_.c_str(), target.c_str()) != 0) return errno_status("rename", target);
  moved_ = true;
  // All three, since another writer may have made a directory and not yet synced its name.
  RETURN_IF_ERROR(sync_directory(second));
  RETURN_IF_ERROR(sync_directory(first));
  RETURN_IF_ERROR(sync_directory(top));
  return blob;
}

}  // namespace renderyard::artifacts
