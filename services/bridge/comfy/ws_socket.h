// ports::ComfySocket over WsTransport: /ws?clientId=…, feature flags first, ready with the first `status`.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libs/common/base/clock.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/domain/comfy_json.h"
#include "libs/common/ports/comfy_instance.h"
#include "services/bridge/comfy/instance_url.h"
#include "services/bridge/comfy/ws_courier.h"
#include "services/bridge/comfy/ws_transport.h"

namespace renderyard::comfy {

// What all sockets share: counts since the start, for metrics (any thread), and the io thread's parser.
struct WsShare {
  WsShare(ComfyIo& io, base::Strand& strand) : courier(std::make_shared<WsCourier>(io.context(), strand)) {}

  std::atomic<std::uint64_t> messages{0};
  std::atomic<std::uint64_t> unreadable{0};  // frames that are no message
  // Set before the first socket, may be empty.
  std::function<void()> on_unreadable = {};
  std::function<void()> on_dropped = {};
  domain::ComfyParser parser;
  const std::shared_ptr<WsCourier> courier;
};

// Errors: UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED. Everything given outlives the socket.
base::Task<absl::StatusOr<std::unique_ptr<ports::ComfySocket>>> connect_socket(WsTransport& transport,
                                                                               base::Strand& strand, base::Clock& clock,
                                                                               WsShare& counters, InstanceUrl url,
                                                                               std::string client_id,
                                                                               absl::Time deadline);

}  // namespace renderyard::comfy
