// Gives messages of an instance's sockets to the executions they speak of. Messages of prompts that nobody knows yet
// are kept while a POST is in flight (servers that ignore our prompt ids tell us theirs only in the answer, and may
// report first); strangers' messages are dropped. Thread-safety: on the strand.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "services/bridge/execution.h"

namespace renderyard::bridge {

class Router {
 public:
  // Messages of this prompt go to `execution` from now on, those kept first.
  void add(const std::string& prompt_id, std::shared_ptr<Execution> execution);
  void remove(const Execution& execution);
  // A number for a connection just opened: what comes with one number came without a gap.
  std::uint64_t new_stream() { return ++streams_; }
  void route(const domain::ComfyMessage& message, std::uint64_t stream);

  void post_begins() { ++posts_in_flight_; }
  void post_ends();

 private:
  static constexpr std::size_t kMostKept = 4096;  // oldest dropped: REST tells what is missed
  std::map<std::string, std::shared_ptr<Execution>, std::less<>> by_prompt_;
  struct Kept {
    domain::ComfyMessage message;
    std::uint64_t stream = 0;
  };
  std::deque<Kept> unknown_;
  std::uint64_t streams_ = 0;
  int posts_in_flight_ = 0;
};

}  // namespace renderyard::bridge
