// Content-addressed output files. Bridge writes, gateway reads. A blob is complete or not there: written under a
// temporary name, fsynced, renamed. Adapter: adapters/artifacts (a directory); fake: testing/fake_artifacts.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "libs/common/base/task.h"

namespace renderyard::ports {

struct StoredBlob {
  std::string sha256;  // 64 lowercase hex digits
  std::int64_t size_bytes = 0;
};

class BlobWriter {
 public:
  virtual ~BlobWriter() = default;  // without finish(): the temporary file goes away
  // One after the other. Waits while the store is slower than its source. After a cancelled one the blob is no more.
  virtual base::Task<absl::Status> write(std::string chunk) = 0;
  // Durable afterwards. The same content twice is one blob.
  virtual base::Task<absl::StatusOr<StoredBlob>> finish() = 0;
};

class BlobReader {
 public:
  virtual ~BlobReader() = default;
  virtual std::int64_t size_bytes() const = 0;
  // Up to max_bytes from offset; empty at the end.
  virtual base::Task<absl::StatusOr<std::string>> read(std::int64_t offset, std::size_t max_bytes) = 0;
};

class ArtifactStore {
 public:
  virtual ~ArtifactStore() = default;
  // RESOURCE_EXHAUSTED, UNAVAILABLE (and so for the writer): full, away; keep trying, it is no failed render.
  virtual base::Task<absl::StatusOr<std::unique_ptr<BlobWriter>>> create() = 0;
  // NOT_FOUND.
  virtual base::Task<absl::StatusOr<std::unique_ptr<BlobReader>>> open(std::string sha256) = 0;
};

}  // namespace renderyard::ports
