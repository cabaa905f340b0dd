// From the prompt's end to completed: copies every output file into the artifact store before the next prompt can
// overwrite it, then completes the execution in one transaction. The store full or away is no failed render: it is
// tried again, with the reason shown. Pictures that came over the socket are in the store already. A file the server
// does not have is: output_missing; and so is one that was written after the prompt's end or changed while it was
// copied, which is another prompt's: output_overwritten.
#pragma once

#include <absl/status/status.h>

#include <optional>

#include "services/bridge/execution_context.h"

namespace renderyard::bridge {

// The prompt succeeded and its row is queued or running: `succeeded` is the step to collecting, which is written only
// when the copying takes longer than Config::collect_quietly; else the row is completed at once. Or the row is
// collecting (nullopt): adopted, what was copied before is copied again, which is harmless.
base::Task<absl::Status> collect(ExecutionContext context, std::optional<ports::Advance> succeeded);

}  // namespace renderyard::bridge
