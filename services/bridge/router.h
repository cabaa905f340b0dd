// Gives messages of an instance's sockets to the executions they speak of. Messages of prompts that nobody knows yet
// are kept while a POST is in flight (servers that ignore our prompt ids tell us theirs only in the answer, and may
// report first); strangers' messages are dropped. Thread-safety: on the strand.
#pragma once

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
  void route(const domain::ComfyMessage& message);

  void post_begins() { ++posts_in_flight_; }
  void post_ends();

 private:
  static constexpr std::size_t kKept = 4096;  // oldest dropped: REST tells what is missed
  std::map<std::string, std::shared_ptr<Execution>, std::less<>> by_prompt_;
  std::deque<domain::ComfyMessage> unknown_;
  int posts_in_flight_ = 0;
};

}  // namespace renderyard::bridge
