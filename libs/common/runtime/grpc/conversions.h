// The values of ports <-> the messages of proto/renderyard/v1, field by field.
#pragma once

#include <absl/status/statusor.h>

#include "libs/common/ports/instance_store.h"
#include "libs/common/ports/model.h"
#include "libs/common/ports/peers.h"
#include "renderyard/v1/bridge.pb.h"
#include "renderyard/v1/dispatcher.pb.h"
#include "renderyard/v1/event.pb.h"
#include "renderyard/v1/instance.pb.h"

namespace renderyard::runtime {

void set_time(absl::Time time, google::protobuf::Timestamp& message);

v1::JobEvent to_proto(const ports::JobEvent& event);
ports::JobEvent from_proto(const v1::JobEvent& message);

v1::Progress to_proto(const ports::Progress& progress);
ports::Progress from_proto(const v1::Progress& message);

v1::WatchEventsResponse to_proto(const ports::EventBatch& batch);
ports::EventBatch from_proto(const v1::WatchEventsResponse& message);

v1::Instance to_proto(const ports::InstanceRow& instance);
v1::InstanceCapabilities to_proto(const ports::KnownCapabilities& known);

}  // namespace renderyard::runtime
