#include "libs/common/adapters/artifacts/blob_directories.h"

#include <absl/strings/str_cat.h>

#include <charconv>

#include "libs/common/adapters/artifacts/files.h"
#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::artifacts {

namespace {

// The number of the first four digits.
std::size_t index_of(std::string_view sha256) {
  std::size_t index = 0;
  std::from_chars(sha256.data(), sha256.data() + 4, index, 16);
  return index;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> BlobDirectories::prepare(std::string_view sha256) {
  const std::string top = root_ + "/sha256";
  const std::string first = absl::StrCat(top, "/", base::to_absl(sha256.substr(0, 2)));
  const std::string second = absl::StrCat(first, "/", base::to_absl(sha256.substr(2, 2)));
  bool first_known = false;
  {
    const base::MutexLock lock(mutex_);
    if (known_.test(index_of(sha256))) return std::vector<std::string>{second};
    first_known = first_known_.test(index_of(sha256) >> 8);
  }
  if (!first_known) RETURN_IF_ERROR(make_directory(first));
  RETURN_IF_ERROR(make_directory(second));
  if (first_known) return std::vector<std::string>{second, first};
  return std::vector<std::string>{second, first, top};
}

void BlobDirectories::synced(std::string_view sha256) {
  const base::MutexLock lock(mutex_);
  known_.set(index_of(sha256));
  first_known_.set(index_of(sha256) >> 8);
}

void BlobDirectories::forget(std::string_view sha256) {
  const base::MutexLock lock(mutex_);
  known_.reset(index_of(sha256));
  first_known_.reset(index_of(sha256) >> 8);
}

}  // namespace renderyard::artifacts
