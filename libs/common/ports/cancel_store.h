// What CancelExecution needs of the database: the wish of somebody without an account of ours, and the look for what
// came of it. Adapter: adapters/postgres; fake: testing/fake_cancel_store.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>

#include "libs/common/base/task.h"
#include "libs/common/ports/model.h"

namespace renderyard::ports {

struct ExecutionEnd {
  ExecutionId id;
  ExecutionState state = ExecutionState::kAssigned;
  std::optional<std::string> outcome_proof;
  std::optional<JobError> error;
};

// A job, and the execution of its current claim, as somebody sees them who waits for the end.
struct JobEnd {
  JobStatus status = JobStatus::kPending;
  std::optional<JobError> error;
  std::optional<ExecutionEnd> execution;
};

class CancelStore {
 public:
  virtual ~CancelStore() = default;

  // The wish, durable, as JobStore::request_cancel writes it, of nobody in particular (cancel_requested_by stays null).
  // Nothing happens to a job that has ended. NOT_FOUND.
  virtual base::Task<absl::Status> wish(JobId job) = 0;
  // NOT_FOUND.
  virtual base::Task<absl::StatusOr<JobEnd>> look(JobId job) = 0;
};

}  // namespace renderyard::ports
