// WrittenFiles: what the output nodes of a fake ComfyUI leave on its disk, and what strangers write over it. Names are
// the server's: a prefix brings a folder and a counter of its own, a whole name is written over by the next prompt that
// has it.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/domain/comfy_message.h"
#include "libs/common/ports/comfy_instance.h"
#include "libs/common/testing/fake_comfy/prompt.h"
#include "libs/common/testing/sim/world.h"

namespace renderyard::testing {

class WrittenFiles {
 public:
  struct File {
    std::string content;
    ports::FileVersion version;
  };

  explicit WrittenFiles(const sim::World& world) : world_(world) {}

  // By this output node, under the name that its prefix brings now.
  domain::OutputFile write(const ComfyNode& node, std::string content);
  absl::StatusOr<File> read(const domain::OutputFile& file) const;

  // With another picture. False: it lies in a folder that one prompt alone writes to.
  bool overwrite(const domain::OutputFile& file);
  // Files that are there, each with the etag it has now.
  using Versions = std::vector<std::pair<domain::OutputFile, std::string>>;
  Versions versions(const std::vector<domain::OutputFile>& files) const;
  // Those that nobody has written over since.
  void overwrite_unchanged(const Versions& files);

 private:
  void put(const domain::OutputFile& file, std::string content);
  const std::string& etag_of(const domain::OutputFile& file) const;

  const sim::World& world_;
  std::map<std::string, File> files_;
  std::uint64_t written_ = 0;
  std::map<std::string, int> counters_;  // by prefix
};

}  // namespace renderyard::testing
