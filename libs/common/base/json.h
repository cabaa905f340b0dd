// Small helpers over Boost.JSON used at the edges. Text that comes from ComfyUI goes through domain/comfy_json.h
// instead, because Python writes bare NaN.
#pragma once

#include <absl/strings/string_view.h>

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

namespace renderyard::base {

namespace json = boost::json;

// Abseil of Debian 12 has its own string_view; these convert.
inline absl::string_view to_absl(std::string_view text) {
  return {text.data(), text.size()};
}
inline std::string_view to_std(absl::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace renderyard::base
