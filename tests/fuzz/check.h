// What the fuzzers ask of every input beside "no crash". A failed check says what and ends the process, which libFuzzer
// reports with the input.
#pragma once

#include <absl/status/status.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "libs/common/domain/comfy_json.h"
#include "libs/common/testing/fake_text.h"

namespace renderyard::fuzz {

inline void check(bool holds, std::string_view what, std::string_view about = {}) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n%s\n", std::string(what).c_str(), std::string(about).c_str());
  std::abort();
}

// PostgreSQL takes it as text.
inline void check_text(std::string_view what, std::string_view text) {
  check(testing::check_text(what, text).ok(), what, text);
}

// PostgreSQL takes it as jsonb, and reading it again changes nothing any more.
inline void check_json(std::string_view what, const std::string& json) {
  check(testing::check_json(what, json).ok(), what, json);
  const auto again = domain::parse_comfy_json(json);
  check(again.ok() && !again->repaired() && again->root().to_json() == json, "reading it again changes it", json);
}

}  // namespace renderyard::fuzz
