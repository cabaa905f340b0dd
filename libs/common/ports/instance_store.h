// Instances as operators manage them at run time. Adapter: adapters/postgres; fake: testing/fake_stores.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/task.h"
#include "libs/common/domain/capabilities.h"
#include "libs/common/ports/model.h"

namespace renderyard::ports {

struct NewInstance {
  std::string name;
  std::string api_url;  // http:// or https://, normalised
  std::string ws_url;   // ws:// or wss://, without path /ws
  int slots = 1;
  bool behind_proxy = false;
  bool unique_prefix = true;
  bool shared_instance = false;
  std::vector<SecretHeader> headers;  // names unique whatever their case
};

// What an operator changes of an instance; absent: kept.
struct InstanceChange {
  // Another server under the same name: a new instance with these addresses takes over the name and the settings, and
  // the old one is removed in the same transaction. Its live executions are followed to their end. Credentials are not
  // carried over to another address. Both or none.
  std::optional<std::string> api_url, ws_url;
  std::optional<int> slots;
  std::optional<bool> behind_proxy, unique_prefix, shared_instance;
  std::optional<std::vector<SecretHeader>> headers;  // all of them, in place of those before
};

// As the bridge read it last.
struct KnownCapabilities {
  domain::Capabilities what;
  std::string digest;
  absl::Time read_at;
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
                                    "; change its address, or choose another name");
  }
  return absl::AlreadyExistsError("api_url: " + wanted.api_url + " is the instance " + quoted(other.name) +
                                  (other.is_enabled ? "; two instances may not be one server"
                                                    : ", which is disabled; add it by this name to enable it again"));
}

// The server at this URL was removed, and its last executions are not over: FAILED_PRECONDITION.
inline absl::Status still_followed(const std::string& api_url) {
  return absl::FailedPreconditionError("api_url: executions of the removed instance at " + api_url +
                                       " are still followed to their end, and two instances may not be one server; "
                                       "try again when they have ended");
}
// Credentials belong to the server they were given for: INVALID_ARGUMENT.
inline absl::Status access_is_not_carried_over() {
  return absl::InvalidArgumentError(
      "access: the credentials are not carried over to another address; give them again, or say that there are none");
}

class InstanceStore {
 public:
  virtual ~InstanceStore() = default;
  // Creates the row with its slots. ALREADY_EXISTS: the name or the URL is in use by an instance that is not removed
  // (already_exists() says it); when it is the same name and URL and disabled, it is enabled again and returned as it
  // was. FAILED_PRECONDITION: still_followed().
  virtual base::Task<absl::StatusOr<InstanceRow>> add(NewInstance instance) = 0;
  // By id. Removed ones are left out, or, on request, shown while executions of theirs are still followed.
  virtual base::Task<absl::StatusOr<std::vector<InstanceRow>>> list(bool with_removed) = 0;
  // Of those not removed. NOT_FOUND.
  virtual base::Task<absl::StatusOr<InstanceRow>> get(std::string name) = 0;
  // nullopt: not read yet.
  virtual base::Task<absl::StatusOr<std::optional<KnownCapabilities>>> capabilities(InstanceId id) = 0;
  // All or nothing. Slots grow at once; a slot that is too many goes when its execution has left it. NOT_FOUND;
  // ALREADY_EXISTS, FAILED_PRECONDITION (the URL) as add(); INVALID_ARGUMENT access_is_not_carried_over().
  virtual base::Task<absl::StatusOr<InstanceRow>> change(std::string name, InstanceChange change) = 0;
  // NOT_FOUND. Disabled instances get no new work; live executions are followed to their end.
  virtual base::Task<absl::StatusOr<InstanceRow>> set_enabled(std::string name, bool enabled) = 0;
  // NOT_FOUND. A draining instance stays connected and gets no new work.
  virtual base::Task<absl::StatusOr<InstanceRow>> set_draining(std::string name, bool draining) = 0;
  // Soft: no new work, name and URL are free again, live executions are followed to their end. NOT_FOUND.
  virtual base::Task<absl::StatusOr<InstanceRow>> remove(std::string name) = 0;
  // An operator's word that the instance is fit: no quarantine any more, circuit closed, circuit_version raised.
  // NOT_FOUND.
  virtual base::Task<absl::StatusOr<InstanceRow>> release(std::string name) = 0;
};

}  // namespace renderyard::ports
