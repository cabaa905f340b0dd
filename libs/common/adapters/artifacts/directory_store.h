// The artifact store in a directory, which may be shared by several machines:
//   <root>/sha256/ab/cd/<64 hex digits>   complete blobs, named by their content
//   <root>/staging/…                      what is being written
// A blob is written under staging, moved into its place, and made durable there with the directories above it; once
// finish() has returned it is there completely, also after a power cut. A power cut before that may leave a name with
// anything behind it: nothing refers to it, and the next writer of that content replaces it. What a dead writer left in
// staging goes 24 h later, at a start.
//
// File I/O and hashing run on a few threads of the store's own; results come back on the strand. A writer buffers at
// most 64 MiB: when the disk is slower than its source, write() waits. Errors: RESOURCE_EXHAUSTED for a full disk or
// quota, UNAVAILABLE for everything else the disk may say (read-only, away), NOT_FOUND for an unknown blob.
// Thread-safety: on the strand, open_root() and close() excepted (main). Writers and readers end before close().
#pragma once

#include <absl/status/status.h>

#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <memory>
#include <string>

#include "libs/common/adapters/artifacts/upload.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/strand.h"
#include "libs/common/ports/artifact_store.h"

namespace renderyard::artifacts {

class DirectoryArtifactStore final : public ports::ArtifactStore {
 public:
  struct Config {
    std::string root;
    int threads = 4;
    std::size_t max_buffered = std::size_t{64} << 20U;
  };

  DirectoryArtifactStore(base::Strand& strand, base::Journal& journal, Config config);
  // close().
  ~DirectoryArtifactStore() override;
  DirectoryArtifactStore(const DirectoryArtifactStore&) = delete;
  DirectoryArtifactStore& operator=(const DirectoryArtifactStore&) = delete;

  // Makes the directories, removes old leftovers, tries a write; for kRead only looks that the root is there. Blocks.
  enum class Access { kRead, kReadWrite };
  absl::Status open_root(Access access = Access::kReadWrite);
  // Waits for what is under way.
  void close();

  base::Task<absl::StatusOr<std::unique_ptr<ports::BlobWriter>>> create() override;
  base::Task<absl::StatusOr<std::unique_ptr<ports::BlobReader>>> open(std::string sha256) override;

 private:
  base::Strand& strand_;
  base::Journal& journal_;
  Config config_;
  Place place_;
  boost::asio::thread_pool pool_;
};

}  // namespace renderyard::artifacts
