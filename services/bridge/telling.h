// What is told of one execution to those who watch: events, tracking lines in the journal, counts. Nothing here decides
// anything. Thread-safety: on the strand.
#pragma once

#include "services/bridge/execution_context.h"

namespace renderyard::bridge {

// A message of its prompt was heard.
void tell_heard(Deps& deps, const HeldLease& lease, Outlets& outlets, const Execution& execution,
                const domain::ComfyMessage& message);

// It is asked for now, because its socket is away for this reason.
void tell_fallback(ExecutionContext& context, const absl::Status& trouble);

// It has left our hands; when it ended, its row says how.
void tell_end(Deps& deps, const HeldLease& lease, Outlets& outlets, const Execution& execution);

}  // namespace renderyard::bridge
