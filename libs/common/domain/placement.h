// Which waiting job goes to which free slot. Pure: the dispatcher takes a snapshot, asks, and claims; what was gone by
// then is simply not claimed. First version: every instance can run every job, so order alone decides.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/common/base/ids.h"

namespace renderyard::domain {

struct SlotChoice {
  base::InstanceId instance_id;
  int slot_no = 0;
};

struct Placement {
  base::JobId job_id;
  SlotChoice slot;
};

// Jobs in their order of claim; slots in any order. First slots of all instances are filled before second ones.
std::vector<Placement> place(const std::vector<base::JobId>& jobs, std::vector<SlotChoice> free_slots);

// Why nothing can be placed now, for people; empty when slots are free.
std::string waiting_reason(int instances_enabled, int instances_usable, std::size_t free_slots);

}  // namespace renderyard::domain
