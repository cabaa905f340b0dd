// Byte sinks of tests: what a download brings goes into a string, or is refused.
#pragma once

#include <string>
#include <utility>

#include "libs/common/base/task.h"
#include "libs/common/ports/comfy_instance.h"

namespace renderyard::test {

inline base::Task<absl::Status> append_chunk(std::string& into, std::string chunk) {
  into += chunk;
  co_return absl::OkStatus();
}

inline ports::ByteSink sink_into(std::string& into) {
  return [&into](std::string chunk) { return append_chunk(into, std::move(chunk)); };
}

inline base::Task<absl::Status> refuse_chunk(absl::Status why) {
  co_return why;
}

inline ports::ByteSink refusing_sink(absl::Status why) {
  return [why = std::move(why)](std::string) { return refuse_chunk(why); };
}

}  // namespace renderyard::test
