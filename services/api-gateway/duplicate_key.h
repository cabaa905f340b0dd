// Finds a key that stands twice in one JSON object, anywhere in a text. Databases and JSON libraries silently keep one
// of the two, and not the same one, so such a text is refused at the door. Pure, one pass.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace renderyard::gateway {

// `text` must be what domain::check_json_text() found to be OK. The path of the first doubled key,
// "parameters.limits.x".
std::optional<std::string> find_duplicate_key(std::string_view text);

}  // namespace renderyard::gateway
