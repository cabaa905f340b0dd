// Query strings and the list request they ask for. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/api-gateway/gateway.h"
#include "services/api-gateway/problem.h"

namespace renderyard::gateway::http {

inline constexpr int kMaxListLimit = 500;
inline constexpr int kMaxListOffset = 1'000'000;

// Percent-decoded name and value pairs in their order; nullopt when an escape is broken.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

// status, limit, offset, before. Codes: unknown_field, invalid_field.
Answer<ListRequest> parse_list_query(std::string_view query);

}  // namespace renderyard::gateway::http
