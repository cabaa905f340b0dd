#include "libs/common/adapters/artifacts/directory_store.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <cerrno>
#include <ctime>
#include <exception>
#include <filesystem>
#include <string_view>
#include <utility>

#include "libs/common/adapters/artifacts/files.h"
#include "libs/common/adapters/artifacts/upload.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::artifacts {

namespace {

namespace asio = boost::asio;

constexpr std::time_t kLeftoverAge = 24 * 60 * 60;  // s
constexpr std::size_t kMaxRead = std::size_t{1} << 20U;

using Serial = asio::strand<asio::thread_pool::executor_type>;

// Runs `work` on one of the store's threads. A cancelled caller goes on at once; the work is done all the same, so it
// owns what it uses.
template <class R, class Executor, class F>
base::Task<R> offload(base::Strand& strand, Executor executor, F work) {
  auto start = [&executor, &work](base::Completer<R> completer) {
    asio::post(executor, [completer, work = std::move(work)]() mutable {
      try {
        completer.post(work());
      } catch (const std::exception& error) {
        completer.post(R(absl::UnavailableError(absl::StrCat("artifact store: ", error.what()))));
      }
    });
  };
  co_return co_await base::suspend<R>(strand, start);
}

class Writer final : public ports::BlobWriter {
 public:
  Writer(base::Strand& strand, Serial serial, std::shared_ptr<Upload> upload)
      : strand_(strand), serial_(std::move(serial)), upload_(std::move(upload)) {}
  // The last piece of work, on the store's threads, lets the upload go.
  ~Writer() override {
    asio::post(serial_, [upload = std::move(upload_)] {});
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  base::Task<absl::Status> write(std::string chunk) override {
    const std::size_t size = chunk.size();
    auto start = [&upload = *upload_, size](base::Completer<absl::Status> granted) { upload.reserve(size, granted); };
    CO_RETURN_IF_ERROR(co_await base::suspend<absl::Status>(strand_, start));
    asio::post(serial_, [upload = upload_, data = std::move(chunk)] { upload->append(data); });
    co_return absl::OkStatus();
  }

  base::Task<absl::StatusOr<ports::StoredBlob>> finish() override {
    auto work = [upload = upload_] { return upload->commit(); };
    return offload<absl::StatusOr<ports::StoredBlob>>(strand_, serial_, std::move(work));
  }

 private:
  base::Strand& strand_;
  Serial serial_;
  std::shared_ptr<Upload> upload_;
};

// What a reader's work on the threads holds.
struct OpenBlob {
  File file;
  std::string path;
  std::int64_t size = 0;
};

absl::StatusOr<std::string> read_part(const OpenBlob& blob, std::int64_t offset, std::size_t max_bytes) {
  if (offset < 0) return absl::OutOfRangeError("artifact store: negative offset");
  std::string data(std::min(max_bytes, kMaxRead), '\0');
  for (;;) {
    const ssize_t got = ::pread(blob.file.fd(), data.data(), data.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_status("read", blob.path);
    data.resize(static_cast<std::size_t>(got));
    return data;
  }
}

class Reader final : public ports::BlobReader {
 public:
  Reader(base::Strand& strand, asio::thread_pool::executor_type executor, std::shared_ptr<const OpenBlob> blob)
      : strand_(strand), executor_(std::move(executor)), blob_(std::move(blob)) {}

  std::int64_t size_bytes() const override { return blob_->size; }

  base::Task<absl::StatusOr<std::string>> read(std::int64_t offset, std::size_t max_bytes) override {
    auto work = [blob = blob_, offset, max_bytes] { return read_part(*blob, offset, max_bytes); };
    return offload<absl::StatusOr<std::string>>(strand_, executor_, std::move(work));
  }

 private:
  base::Strand& strand_;
  asio::thread_pool::executor_type executor_;
  std::shared_ptr<const OpenBlob> blob_;
};

absl::StatusOr<std::shared_ptr<const OpenBlob>> open_blob(std::string path) {
  auto blob = std::make_shared<OpenBlob>();
  blob->path = std::move(path);
  blob->file = File(::open(blob->path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!blob->file) return errno_status("open", blob->path);
  struct stat info {};
  if (::fstat(blob->file.fd(), &info) != 0) return errno_status("stat", blob->path);
  blob->size = info.st_size;
  return std::shared_ptr<const OpenBlob>(std::move(blob));
}

int remove_leftovers(const std::string& staging) {
  int removed = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(staging, error), end; !error && it != end; it.increment(error)) {
    struct stat info {};
    const std::string path = it->path().string();
    if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    if (std::time(nullptr) - info.st_mtime < kLeftoverAge) continue;  // perhaps another process is writing it
    if (::unlink(path.c_str()) == 0) ++removed;
  }
  return removed;
}

}  // namespace

DirectoryArtifactStore::DirectoryArtifactStore(base::Strand& strand, base::Journal& journal, Config config)
    : strand_(strand),
      journal_(journal),
      config_(std::move(config)),
      place_{.root = config_.root,
             .max_buffered = config_.max_buffered,
             .directories = BlobDirectories(config_.root),
             .syncer = Syncer(std::max(config_.threads, 1))},
      pool_(static_cast<std::size_t>(std::max(config_.threads, 1))) {}

DirectoryArtifactStore::~DirectoryArtifactStore() {
  close();
}

void DirectoryArtifactStore::close() {
  pool_.join();
  place_.syncer.close();
}

absl::Status DirectoryArtifactStore::open_root(Access access) {
  std::error_code error;
  if (access == Access::kRead) {
    if (std::filesystem::is_directory(config_.root, error)) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("artifact store: '", config_.root, "' is not a directory"));
  }
  std::filesystem::create_directories(config_.root, error);
  if (error) return absl::UnavailableError(absl::StrCat("artifact store: '", config_.root, "': ", error.message()));
  const std::string staging = config_.root + "/staging";
  RETURN_IF_ERROR(make_directory(staging));
  RETURN_IF_ERROR(make_directory(config_.root + "/sha256"));
  RETURN_IF_ERROR(sync_directory(config_.root));
  // Whether one may write is known by writing only; the trial goes away with `trial`.
  RETURN_IF_ERROR(Upload(place_).open());
  if (const int removed = remove_leftovers(staging); removed > 0) {
    journal_.info("artifact_leftovers_removed", {{"files", removed}});
  }
  return absl::OkStatus();
}

base::Task<absl::StatusOr<std::unique_ptr<ports::BlobWriter>>> DirectoryArtifactStore::create() {
  // No hop to the threads for what the first write does.
  const Serial serial = asio::make_strand(pool_.get_executor());
  co_return std::make_unique<Writer>(strand_, serial, std::make_shared<Upload>(place_));
}

base::Task<absl::StatusOr<std::unique_ptr<ports::BlobReader>>> DirectoryArtifactStore::open(std::string sha256) {
  if (!is_sha256(sha256)) co_return absl::NotFoundError("artifact store: not a SHA-256");
  auto work = [path = blob_path(config_.root, sha256)] { return open_blob(path); };
  using Opened = absl::StatusOr<std::shared_ptr<const OpenBlob>>;
  const auto executor = pool_.get_executor();
  Opened blob = co_await offload<Opened>(strand_, executor, std::move(work));
  if (!blob.ok()) co_return blob.status();
  co_return std::make_unique<Reader>(strand_, executor, *std::move(blob));
}

}  // namespace renderyard::artifacts
