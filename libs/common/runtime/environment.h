// Which variables with our prefix may be in a service's environment: the options of all services (option_names.h),
// those of other programs of the project, and what Kubernetes puts into every pod for each service object of the
// namespace.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace renderyard::runtime {

// *_SERVICE_HOST, *_SERVICE_PORT, *_SERVICE_PORT_<name>, *_PORT=tcp://…, and the older form of container links,
// *_PORT_<number>_TCP[_PROTO|_PORT|_ADDR] (kubernetes: "Discovering services", environment variables).
bool is_kubernetes_variable(std::string_view name, std::string_view value);

// One message for each variable RENDERYARD_… that nobody knows, in the order given.
std::vector<std::string> unknown_variables(const std::vector<std::pair<std::string, std::string>>& environment);

}  // namespace renderyard::runtime
