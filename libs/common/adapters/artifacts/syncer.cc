#include "libs/common/adapters/artifacts/syncer.h"

#include <boost/asio/post.hpp>
#include <latch>

namespace renderyard::artifacts {

absl::Status Syncer::run(const File& file, const std::string& path, const std::vector<std::string>& directories) {
  std::vector<absl::Status> results(directories.size());
  std::latch left(static_cast<std::ptrdiff_t>(directories.size()));
  for (std::size_t i = 0; i < directories.size(); ++i) {
    boost::asio::post(pool_, [&, i] {
      results[i] = sync_directory(directories[i]);
      left.count_down();
    });
  }
  absl::Status status = sync_file(file, path);
  left.wait();
  for (absl::Status& result : results) status.Update(std::move(result));
  return status;
}

}  // namespace renderyard::artifacts
