// The commands of operators, over the dispatcher's OperatorService. They give the exit code: 0 done, 1 not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/service_peer.h"

namespace renderyard::cli {

struct OperatorArguments {
  std::string who;
  std::string why;
};

// The login name, for who is not told; empty when there is none.
std::string login_name();

int note_job(const ServicePeer& dispatcher, std::int64_t job, bool ran, const OperatorArguments& by);
int give_up(const ServicePeer& dispatcher, std::int64_t job, const OperatorArguments& by);
int free_slot(const ServicePeer& dispatcher, const std::string& instance, int slot, const OperatorArguments& by);
// Newest first; of one job when given.
int list_actions(const ServicePeer& dispatcher, std::optional<std::int64_t> job, int limit);

}  // namespace renderyard::cli
