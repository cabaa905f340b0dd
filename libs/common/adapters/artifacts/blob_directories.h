// The directories that blobs lie in: <root>/sha256/ab/cd. Made when they are first needed, and known from then on, so
// that a blob in a known one needs no more than that one to be synced. Thread-safety: any thread.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>

#include <bitset>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/common/base/mutex.h"

namespace renderyard::artifacts {

class BlobDirectories {
 public:
  explicit BlobDirectories(std::string root) : root_(std::move(root)) {}

  // Makes what is missing; the directories whose names must be synced once the blob is in its place, its own first.
  // Those that are not known yet: another process may have made one and not yet synced its name.
  absl::StatusOr<std::vector<std::string>> prepare(std::string_view sha256);
  // The directories of prepare() were synced.
  void synced(std::string_view sha256);
  // Somebody removed them behind our back.
  void forget(std::string_view sha256);

 private:
  const std::string root_;
  base::Mutex mutex_;
  std::bitset<65536> known_ ABSL_GUARDED_BY(mutex_);
  std::bitset<256> first_known_ ABSL_GUARDED_BY(mutex_);  // of the upper level
};

}  // namespace renderyard::artifacts
