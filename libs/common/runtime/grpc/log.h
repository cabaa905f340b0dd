// gRPC's own messages as events of the journal ("grpc_log"), instead of plain lines on standard error.
#pragma once

#include "libs/common/base/journal.h"

namespace renderyard::runtime {

// Process wide. nullptr silences gRPC; the journal must live until another one (or nullptr) is set.
void route_grpc_log(base::Journal* journal);

}  // namespace renderyard::runtime
