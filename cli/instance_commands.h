// The commands about ComfyUI instances, over the bridge's InstanceService. They give the exit code: 0 done, 1 not.
#pragma once

#include <string>

namespace renderyard::cli {

int add_instance(const std::string& bridge, const std::string& name, const std::string& url, int slots);
int list_instances(const std::string& bridge);
int disable_instance(const std::string& bridge, const std::string& name);

}  // namespace renderyard::cli
