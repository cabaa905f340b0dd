#include "services/bridge/name_turns.h"

#include <string>

namespace renderyard::bridge {

namespace {

constexpr std::size_t kMostWriters = 1000;

}  // namespace

void NameTurns::saw_writer(std::string_view node_class) {
  if (writers_.size() < kMostWriters && !writers_.contains(node_class)) writers_.emplace(node_class);
}

}  // namespace renderyard::bridge
