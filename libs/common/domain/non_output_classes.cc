#include "libs/common/domain/non_output_classes.h"

#include <algorithm>
#include <functional>

namespace renderyard::domain {

namespace {

std::uint64_t hash_of(std::string_view node_class) {
  static_assert(sizeof(std::size_t) == sizeof(std::uint64_t));
  return std::hash<std::string_view>()(node_class);
}

}  // namespace

NonOutputClasses::NonOutputClasses(const std::vector<std::string_view>& classes) {
  hashes_.reserve(classes.size());
  for (const std::string_view node_class : classes) hashes_.push_back(hash_of(node_class));
  std::sort(hashes_.begin(), hashes_.end());
}

bool NonOutputClasses::contains(std::string_view node_class) const {
  return std::binary_search(hashes_.begin(), hashes_.end(), hash_of(node_class));
}

}  // namespace renderyard::domain
