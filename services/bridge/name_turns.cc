#include "services/bridge/name_turns.h"

#include <string>

namespace renderyard::bridge {

namespace {

constexpr std::size_t kMostWriters = 1000;

}  // namespace

base::Task<absl::Status> NameTurns::wait(absl::Time deadline) {
  const std::uint64_t place = next_place_++;
  line_.insert(place);
  absl::Status status;
  while (status.ok() && (holders_ > 0 || *line_.begin() != place)) status = co_await freed_.wait_until(deadline);
  line_.erase(place);
  // Those behind may have been woken while this one stood before them: nobody else tells them that it went without.
  if (!status.ok() && holders_ == 0) freed_.notify();
  co_return status;
}

void NameTurns::saw_writer(std::string_view node_class) {
  if (writers_.size() < kMostWriters && !writers_.contains(node_class)) writers_.emplace(node_class);
}

}  // namespace renderyard::bridge
