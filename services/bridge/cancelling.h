// CancelExecution: the wish is recorded, then its end is waited for. The wish itself is acted upon by whichever bridge
// drives the execution, or by the dispatcher while none does: this call needs neither to be here, and stops nothing by
// itself, so it can hit no other prompt. Thread-safety: on the strand.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "libs/common/base/clock.h"
#include "libs/common/base/task.h"
#include "libs/common/domain/settlement.h"
#include "libs/common/ports/cancel_store.h"
#include "libs/common/ports/hints.h"

namespace renderyard::bridge {

// All outlive the call.
struct CancelDeps {
  ports::CancelStore& store;
  ports::Hints& hints;
  base::Clock& clock;
};

// kPending a moment before `deadline`, so that the answer still arrives. NOT_FOUND: no such job. Other errors: of the
// store; the wish may stand all the same.
base::Task<absl::StatusOr<domain::CancelResult>> cancel_job(CancelDeps deps, ports::JobId job, absl::Time deadline);

}  // namespace renderyard::bridge
