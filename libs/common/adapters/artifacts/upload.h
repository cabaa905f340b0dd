// One blob on its way into the store: a file in staging, its hash, and the move into its place. Everything but the
// counters of the buffer runs on the store's threads, one piece at a time and in order.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libs/common/adapters/artifacts/blob_directories.h"
#include "libs/common/adapters/artifacts/files.h"
#include "libs/common/adapters/artifacts/syncer.h"
#include "libs/common/base/mutex.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/artifact_store.h"

namespace renderyard::artifacts {

// <root>/sha256/ab/cd/<hash>
std::string blob_path(const std::string& root, std::string_view sha256);
bool is_sha256(std::string_view text);

// What the uploads of a store share; outlives them.
struct Place {
  std::string root;
  std::size_t max_buffered = 0;  // bytes of one upload
  BlobDirectories directories;
  Syncer syncer;
};

class Upload {
 public:
  explicit Upload(Place& place);
  // Removes the staging file when it was not moved.
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  // The caller's side, one call at a time: takes room for `size` bytes, and says so when there is. The first error of
  // append() is given back here.
  void reserve(std::size_t size, base::Completer<absl::Status> granted);

  // The threads' side. open() creates the staging file; append() and commit() do it when it was not done, append()
  // gives the room back.
  absl::Status open();
  void append(std::string_view chunk);
  absl::StatusOr<ports::StoredBlob> commit();

 private:
  absl::Status first_error();
  bool fits(std::size_t size) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status move_to(const std::string& target);

  struct FreeDigest {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };

  Place& place_;
  std::string path_;
  File file_;
  std::unique_ptr<EVP_MD_CTX, FreeDigest> digest_;
  std::int64_t size_ = 0;
  bool moved_ = false;

  base::Mutex mutex_;
  struct Waiting {
    std::size_t size = 0;
    base::Completer<absl::Status> granted;
  };
  std::optional<Waiting> waiting_ ABSL_GUARDED_BY(mutex_);  // for room
  std::size_t buffered_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace renderyard::artifacts
