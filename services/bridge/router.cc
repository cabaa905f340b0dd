#include "services/bridge/router.h"

#include <utility>

namespace renderyard::bridge {

void Router::add(const std::string& prompt_id, std::shared_ptr<Execution> execution) {
  auto it = by_prompt_.insert_or_assign(prompt_id, std::move(execution)).first;
  for (const Kept& kept : unknown_) {
    if (domain::prompt_id_of(kept.message) == prompt_id) it->second->hear(kept.message, kept.stream);
  }
}

void Router::remove(const Execution& execution) {
  std::erase_if(by_prompt_, [&](const auto& entry) { return entry.second.get() == &execution; });
}

void Router::route(const domain::ComfyMessage& message, std::uint64_t stream) {
  const std::string_view prompt_id = domain::prompt_id_of(message);
  if (prompt_id.empty()) return;
  auto it = by_prompt_.find(prompt_id);
  if (it != by_prompt_.end()) {
    it->second->hear(message, stream);
    return;
  }
  if (posts_in_flight_ == 0 || std::holds_alternative<domain::PreviewImage>(message)) return;
  if (unknown_.size() >= kMostKept) unknown_.pop_front();
  unknown_.push_back({message, stream});
}

void Router::post_ends() {
  --posts_in_flight_;
  if (posts_in_flight_ == 0) unknown_.clear();
}

}  // namespace renderyard::bridge
