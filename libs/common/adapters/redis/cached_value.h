// The JSON text under a prompt's key, and its key.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libs/common/ports/progress_cache.h"

namespace renderyard::redis {

std::string cache_key(std::string_view prompt_id);
std::string to_json(const ports::CachedProgress& progress);
// nullopt: not such an object. Unknown members are ignored.
std::optional<ports::CachedProgress> from_json(std::string_view text);

}  // namespace renderyard::redis
