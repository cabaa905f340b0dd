#include "libs/common/testing/fake_artifacts.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/testing/plain_call.h"

namespace renderyard::testing {

namespace {

std::string sha256_hex(const std::string& content) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest.data());
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : digest) {
    hex.push_back(kDigits[byte >> 4U]);
    hex.push_back(kDigits[byte & 0xfU]);
  }
  return hex;
}

absl::Status usable(const ArtifactDepot& depot, bool to_write) {
  if (depot.condition() == ArtifactDepot::Condition::kAway) return absl::UnavailableError("the artifact store is away");
  if (to_write && depot.condition() == ArtifactDepot::Condition::kFull) {
    return absl::ResourceExhaustedError("the artifact store is full");
  }
  return absl::OkStatus();
}

// A blob's content cannot change, so a reader keeps a copy, as an open file survives its unlinking.
class FakeBlobReader final : public ports::BlobReader {
 public:
  FakeBlobReader(base::Strand& strand, ArtifactDepot& depot, DatabaseLink& link, std::string content)
      : strand_(strand),
        depot_(depot),
        link_(link),
        content_(std::make_shared<const std::string>(std::move(content))) {}

  std::int64_t size_bytes() const override { return static_cast<std::int64_t>(content_->size()); }

  base::Task<absl::StatusOr<std::string>> read(std::int64_t offset, std::size_t max_bytes) override {
    return plain_call<absl::StatusOr<std::string>>(
        strand_, link_, "artifact_read", false,
        [&depot = depot_, content = content_, offset, max_bytes]() -> absl::StatusOr<std::string> {
          RETURN_IF_ERROR(usable(depot, false));
          if (offset < 0) return absl::InvalidArgumentError("offset");
          const auto from = std::min(static_cast<std::size_t>(offset), content->size());
          return content->substr(from, max_bytes);
        });
  }

 private:
  base::Strand& strand_;
  ArtifactDepot& depot_;
  DatabaseLink& link_;
  std::shared_ptr<const std::string> content_;
};

}  // namespace

class FakeBlobWriter final : public ports::BlobWriter {
 public:
  FakeBlobWriter(base::Strand& strand, ArtifactDepot& depot, DatabaseLink& link, std::function<bool()> alive)
      : strand_(strand), depot_(depot), link_(link), alive_(std::move(alive)), id_(depot.next_temporary_++) {
    depot_.temporary_.emplace(id_, "");
  }

  ~FakeBlobWriter() override {
    if (!alive_ || alive_()) depot_.temporary_.erase(id_);
  }

  base::Task<absl::Status> write(std::string chunk) override {
    CO_RETURN_IF_ERROR(usable(depot_, true));
    const auto file = depot_.temporary_.find(id_);
    if (file == depot_.temporary_.end()) co_return absl::FailedPreconditionError("write after finish");
    file->second.append(chunk);
    co_return absl::OkStatus();
  }

  base::Task<absl::StatusOr<ports::StoredBlob>> finish() override {
    return plain_call<absl::StatusOr<ports::StoredBlob>>(
        strand_, link_, "artifact_finish", true, [&depot = depot_, id = id_]() -> absl::StatusOr<ports::StoredBlob> {
          RETURN_IF_ERROR(usable(depot, true));
          const auto file = depot.temporary_.find(id);
          if (file == depot.temporary_.end()) return absl::UnavailableError("the temporary file is gone");
          ports::StoredBlob blob;
          blob.sha256 = sha256_hex(file->second);
          blob.size_bytes = static_cast<std::int64_t>(file->second.size());
          depot.blobs_.emplace(blob.sha256, std::move(file->second));
          depot.temporary_.erase(file);
          return blob;
        });
  }

 private:
  base::Strand& strand_;
  ArtifactDepot& depot_;
  DatabaseLink& link_;
  std::function<bool()> alive_;
  std::uint64_t id_;
};

base::Task<absl::StatusOr<std::unique_ptr<ports::BlobWriter>>> FakeArtifacts::create() {
  using Result = absl::StatusOr<std::unique_ptr<ports::BlobWriter>>;
  return plain_call<Result>(strand_, link_, "artifact_create", true,
                            [&strand = strand_, &depot = depot_, &link = link_, alive = alive_]() -> Result {
                              RETURN_IF_ERROR(usable(depot, true));
                              return std::make_unique<FakeBlobWriter>(strand, depot, link, alive);
                            });
}

base::Task<absl::StatusOr<std::unique_ptr<ports::BlobReader>>> FakeArtifacts::open(std::string sha256) {
  using Result = absl::StatusOr<std::unique_ptr<ports::BlobReader>>;
  return plain_call<Result>(
      strand_, link_, "artifact_open", false,
      [&strand = strand_, &depot = depot_, &link = link_, sha256 = std::move(sha256)]() -> Result {
        RETURN_IF_ERROR(usable(depot, false));
        const auto found = depot.blobs().find(sha256);
        if (found == depot.blobs().end()) return absl::NotFoundError("no such blob");
        return std::make_unique<FakeBlobReader>(strand, depot, link, found->second);
      });
}

}  // namespace renderyard::testing
