#include "services/bridge/name_turns.h"

#include <algorithm>
#include <string>
#include <utility>

namespace renderyard::bridge {

namespace {

constexpr std::size_t kMostWriters = 1000;

}  // namespace

base::Task<absl::StatusOr<bool>> NameTurns::wait(domain::NodeClasses classes, absl::Time deadline) {
  const std::uint64_t place = next_place_++;
  line_.insert(place);
  absl::Status status;
  bool needed = needed_for(classes);
  while (status.ok() && needed && (holders_ > 0 || *line_.begin() != place)) {
    status = co_await freed_.wait_until(deadline);
    needed = needed_for(classes);
  }
  line_.erase(place);
  // Those behind may have been woken while this one stood before them: nobody else tells them that it went without.
  if ((!status.ok() || !needed) && holders_ == 0) freed_.notify();
  if (!status.ok()) co_return status;
  co_return needed;
}

bool NameTurns::needed_for(const domain::NodeClasses& classes) const {
  return std::any_of(classes.begin(), classes.end(), [this](const std::string& node_class) {
    return writers_.contains(node_class) || !(domain::saves_nothing(node_class) || non_output_.contains(node_class));
  });
}

void NameTurns::know(domain::NonOutputClasses non_output) {
  non_output_ = std::move(non_output);
  freed_.notify();  // some of those who wait may not need it
}

void NameTurns::saw_writer(std::string_view node_class) {
  if (writers_.size() < kMostWriters && !writers_.contains(node_class)) writers_.emplace(node_class);
}

}  // namespace renderyard::bridge
