// The commands about ComfyUI instances, over the bridge's InstanceService. They give the exit code: 0 done, 1 not.
#pragma once

#include <optional>
#include <string>

#include "cli/service_peer.h"

namespace renderyard::cli {

// What `add` and `change` were told; absent is left to the service.
struct InstanceSettings {
  std::optional<std::string> url;
  std::optional<int> slots;
  std::optional<std::string> access_file;  // see access_file.h
  bool no_access = false;
  std::optional<std::string> behind_proxy, unique_prefix, shared;  // yes, no
};

enum class InstanceAction { kEnable, kDisable, kDrain, kUndrain, kRelease, kRemove };

int add_instance(const ServicePeer& bridge, const std::string& name, const InstanceSettings& settings);
int change_instance(const ServicePeer& bridge, const std::string& name, const InstanceSettings& settings);
int list_instances(const ServicePeer& bridge, bool with_removed);
int show_instance(const ServicePeer& bridge, const std::string& name);
int act_on_instance(const ServicePeer& bridge, const std::string& name, InstanceAction action);

}  // namespace renderyard::cli
