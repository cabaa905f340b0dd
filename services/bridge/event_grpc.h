// The events of the bridge as messages of BridgeService. Pure.
#pragma once

#include "libs/common/ports/bridge_event.h"
#include "renderyard/v1/bridge.pb.h"

namespace renderyard::bridge {

v1::BridgeServiceWatchEventsResponse to_proto(const ports::BridgeEvent& event);

}  // namespace renderyard::bridge
