#include "libs/common/domain/placement.h"

#include <algorithm>
#include <tuple>

namespace renderyard::domain {

std::vector<Placement> place(const std::vector<base::JobId>& jobs, std::vector<SlotChoice> free_slots) {
  std::sort(free_slots.begin(), free_slots.end(), [](const SlotChoice& a, const SlotChoice& b) {
    return std::tie(a.slot_no, a.instance_id) < std::tie(b.slot_no, b.instance_id);
  });
  std::vector<Placement> placements;
  const std::size_t count = std::min(jobs.size(), free_slots.size());
  placements.reserve(count);
  for (std::size_t i = 0; i < count; ++i) placements.push_back({jobs[i], free_slots[i]});
  return placements;
}

std::string waiting_reason(int instances_enabled, int instances_usable, std::size_t free_slots) {
  if (free_slots > 0) return {};
  if (instances_enabled == 0) return "no_instance: no ComfyUI instance is registered, enabled and not draining";
  if (instances_usable == 0) {
    return "no_instance_connected: none of " + std::to_string(instances_enabled) + " enabled instances is connected";
  }
  return "all_slots_busy: all slots of " + std::to_string(instances_usable) + " connected instances are in use";
}

}  // namespace renderyard::domain
