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

// Why `wanted` cannot be added beside `other`, which has its name or its URL, and what to do: ALREADY_EXISTS, beginning
// with the field.
inline absl::Status already_exists(const NewInstance& wanted, const InstanceRow& other) {
  const auto quoted = [](const std::string& text) { return "\"" + text + "\""; };
  if (other.name == wanted.name && other.api_url == wanted.api_url) {
    return absl::AlreadyExistsError("name: " + quoted(wanted.name) +
                                    " exists with this api_url and is enabled; nothing is left to add");
  }
  if (other.name == wanted.name) {
    return absl::AlreadyExistsError("name: " + quoted(wanted.name) + " is the instance at " + other.api_url +
                                    "; an instance's URL never changes, choose another name");
  }
  return absl::AlreadyExistsError("api_url: " + wanted.api_url + " is the instance " + quoted(other.name) +
                                  (other.is_enabled ? "; two instances may not be one server"
                                                    : ", which is disabled; add it by this name to enable it again"));
}

class InstanceStore {
 public:
  virtual ~InstanceStore() = default;
  // Creates the row with its slots. ALREADY_EXISTS: the name or the URL is in use by an instance that is not removed
  // (already_exists() says it); when it is the same name and URL and disabled, it is enabled again and returned.
  virtual base::Task<absl::StatusOr<InstanceRow>> add(NewInstance instance) = 0;
  // By id; removed ones are left out.
  virtual base::Task<absl::StatusOr<std::vector<InstanceRow>>> list() = 0;
  // NOT_FOUND. Disabled instances get no new work; live executions are followed to their end.
  virtual base::Task<absl::StatusOr<InstanceRow>> set_enabled(std::string name, bool enabled) = 0;
};

}  // namespace renderyard::ports
