// The ProgressCache of a deployment without Redis: remembers nothing.
#pragma once

#include <optional>
#include <string>

#include "libs/common/ports/progress_cache.h"

namespace renderyard::redis {

class NullProgressCache final : public ports::ProgressCache {
 public:
  void save(ports::CachedProgress) override {}
  void erase(std::string) override {}
  base::Task<absl::StatusOr<std::optional<ports::CachedProgress>>> load(std::string) override {
    co_return std::optional<ports::CachedProgress>();
  }
};

}  // namespace renderyard::redis
