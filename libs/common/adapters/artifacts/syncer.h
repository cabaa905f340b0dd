// Makes several files and directories durable at once: what a device flushes for one of them it flushes for all, so
// that four syncs that overlap cost about one. Has threads of its own, which wait for nothing but the device.
// Thread-safety: any thread; run() blocks its caller.
#pragma once

#include <absl/status/status.h>

#include <boost/asio/thread_pool.hpp>
#include <string>
#include <vector>

#include "libs/common/adapters/artifacts/files.h"

namespace renderyard::artifacts {

class Syncer {
 public:
  explicit Syncer(int threads) : pool_(static_cast<std::size_t>(threads)) {}

  // The file's content and the names in the directories. The first error; every sync has ended when it returns.
  absl::Status run(const File& file, const std::string& path, const std::vector<std::string>& directories);
  // Waits for what is under way; no run() may follow.
  void close() { pool_.join(); }

 private:
  boost::asio::thread_pool pool_;
};

}  // namespace renderyard::artifacts
