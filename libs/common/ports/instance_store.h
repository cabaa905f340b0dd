// Instances as operators manage them at run time. Adapter: adapters/postgres; fake: testing/fake_stores.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "libs/common/base/task.h"
#include "libs/common/ports/model.h"

namespace renderyard::ports {

struct NewInstance {
  std::string name;
  std::string api_url;  // http:// or https://, normalised
  std::string ws_url;   // ws:// or wss://, without path /ws
  int slots = 1;
};

class InstanceStore {
 public:
  virtual ~InstanceStore() = default;
  // Creates the row with its slots. ALREADY_EXISTS: the name or the URL is in use by an instance that is not removed;
  // when it is the same name and URL and disabled, it is enabled again and returned.
  virtual base::Task<absl::StatusOr<InstanceRow>> add(NewInstance instance) = 0;
  // By id; removed ones are left out.
  virtual base::Task<absl::StatusOr<std::vector<InstanceRow>>> list() = 0;
  // NOT_FOUND. Disabled instances get no new work; live executions are followed to their end.
  virtual base::Task<absl::StatusOr<InstanceRow>> set_enabled(std::string name, bool enabled) = 0;
};

}  // namespace renderyard::ports
