// The artifact store in memory: an ArtifactDepot shared by the world (the directory), a FakeArtifacts per process.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "libs/common/base/strand.h"
#include "libs/common/ports/artifact_store.h"
#include "libs/common/testing/database_link.h"

namespace renderyard::testing {

class ArtifactDepot {
 public:
  enum class Condition { kGood, kFull, kAway };

  void set_condition(Condition condition) { condition_ = condition; }
  Condition condition() const { return condition_; }
  const std::map<std::string, std::string>& blobs() const { return blobs_; }  // sha256 -> content
  // Temporary files, those that a dead process left torn included.
  const std::map<std::uint64_t, std::string>& temporary() const { return temporary_; }

 private:
  friend class FakeArtifacts;
  friend class FakeBlobWriter;

  Condition condition_ = Condition::kGood;
  std::map<std::string, std::string> blobs_;
  std::map<std::uint64_t, std::string> temporary_;
  std::uint64_t next_temporary_ = 1;
};

class FakeArtifacts final : public ports::ArtifactStore {
 public:
  // All must outlive it and its writers. `alive` is asked when a writer is destroyed without finish(): a dead process
  // leaves its temporary file behind. Empty = always alive.
  FakeArtifacts(base::Strand& strand, ArtifactDepot& depot, DatabaseLink& link, std::function<bool()> alive = {})
      : strand_(strand), depot_(depot), link_(link), alive_(std::move(alive)) {}

  base::Task<absl::StatusOr<std::unique_ptr<ports::BlobWriter>>> create() override;
  base::Task<absl::StatusOr<std::unique_ptr<ports::BlobReader>>> open(std::string sha256) override;

 private:
  base::Strand& strand_;
  ArtifactDepot& depot_;
  DatabaseLink& link_;
  std::function<bool()> alive_;
};

}  // namespace renderyard::testing
