// The classes of a server's nodes that save nothing: those that /object_info does not call output nodes. ComfyUI runs
// them for the sake of others only, and a node that saves files is an output node, wherever it stands in a graph.
//
// Kept as hashes of 64 bits: an installation has thousands of classes, and a fleet a thousand installations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace renderyard::domain {

class NonOutputClasses {
 public:
  // None is known.
  NonOutputClasses() = default;
  explicit NonOutputClasses(const std::vector<std::string_view>& classes);

  bool contains(std::string_view node_class) const;
  std::size_t size() const { return hashes_.size(); }

 private:
  std::vector<std::uint64_t> hashes_;  // sorted
};

}  // namespace renderyard::domain
