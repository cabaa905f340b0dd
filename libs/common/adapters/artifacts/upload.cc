#include "libs/common/adapters/artifacts/upload.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::artifacts {

namespace {

constexpr std::size_t kHashDigits = 64;
constexpr mode_t kBlobMode = 0644;

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

Upload::Upload(Place& place) : place_(place), digest_(EVP_MD_CTX_new()) {
  if (!digest_ || EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr) != 1) {
    error_ = absl::InternalError("artifact store: SHA-256 is not available");
  }
}

Upload::~Upload() {
  if (file_ && !moved_) ::unlink(path_.c_str());
}

absl::Status Upload::open() {
  if (file_) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string name, random_name());
  path_ = absl::StrCat(place_.root, "/staging/", name);
  file_ = File(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kBlobMode));
  if (file_) return absl::OkStatus();
  absl::Status status = errno_status("create", path_);
  if (absl::IsNotFound(status)) return absl::UnavailableError(status.message());  // the directory is away
  return status;
}

absl::Status Upload::first_error() {
  base::MutexLock lock(mutex_);
  return error_;
}

// A chunk larger than the whole buffer goes when nothing else waits.
bool Upload::fits(std::size_t size) const {
  return buffered_ == 0 || buffered_ + size <= place_.max_buffered;
}

void Upload::reserve(std::size_t size, base::Completer<absl::Status> granted) {
  base::MutexLock lock(mutex_);
  if (!error_.ok()) {
    granted.complete(error_);
  } else if (fits(size)) {
    buffered_ += size;
    granted.complete(absl::OkStatus());
  } else {
    waiting_ = Waiting{size, granted};
  }
}

void Upload::append(std::string_view chunk) {
  absl::Status status = first_error();
  if (status.ok()) status = open();
  if (status.ok()) status = write_all(file_, chunk, path_);
  if (status.ok() && EVP_DigestUpdate(digest_.get(), chunk.data(), chunk.size()) != 1) {
    status = absl::InternalError("artifact store: SHA-256 failed");
  }
  size_ += static_cast<std::int64_t>(chunk.size());
  base::MutexLock lock(mutex_);
  error_ = std::move(status);
  buffered_ -= chunk.size();
  if (!waiting_ || (error_.ok() && !fits(waiting_->size))) return;
  if (error_.ok()) buffered_ += waiting_->size;
  waiting_->granted.post(error_);
  waiting_.reset();
}

absl::StatusOr<ports::StoredBlob> Upload::commit() {
  RETURN_IF_ERROR(first_error());
  RETURN_IF_ERROR(open());
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int length = 0;
  if (EVP_DigestFinal_ex(digest_.get(), hash.data(), &length) != 1) {
    return absl::InternalError("artifact store: SHA-256 failed");
  }
  ports::StoredBlob blob;
  blob.sha256 = absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash.data()), length));
  blob.size_bytes = size_;
  const std::string target = blob_path(place_.root, blob.sha256);
  ASSIGN_OR_RETURN(std::vector<std::string> directories, place_.directories.prepare(blob.sha256));
  absl::Status status = move_to(target);
  if (absl::IsNotFound(status)) {
    place_.directories.forget(blob.sha256);
    ASSIGN_OR_RETURN(directories, place_.directories.prepare(blob.sha256));
    status = move_to(target);
  }
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(place_.syncer.run(file_, target, directories));
  place_.directories.synced(blob.sha256);
  return blob;
}

// A new name first and durable then, all at once: until commit() returns nobody refers to it. Over an older blob of
// this content, to which somebody may refer, only what is durable already; those who read that one keep it, and one
// that was damaged (by a power cut before its writer's commit() returned) is replaced.
absl::Status Upload::move_to(const std::string& target) {
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == ENOENT) return errno_status("rename", target);
    RETURN_IF_ERROR(sync_file(file_, path_));
    if (std::rename(path_.c_str(), target.c_str()) != 0) return errno_status("rename", target);
  }
  moved_ = true;
  return absl::OkStatus();
}

}  // namespace renderyard::artifacts
