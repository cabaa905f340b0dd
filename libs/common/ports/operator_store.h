// What operators do by hand, where no service can go on by itself. Every action is recorded with who, when and why in
// the transaction that does it; one that is refused (FAILED_PRECONDITION with the remedy, NOT_FOUND, INVALID_ARGUMENT
// for a text that PostgreSQL refuses) leaves nothing. Works also when no bridge and no dispatcher lives. UNAVAILABLE
// may mean that it happened: look at actions(). Adapter: adapters/postgres; fake: testing/fake_operator_store.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/task.h"
#include "libs/common/domain/operator_action.h"
#include "libs/common/ports/model.h"

namespace renderyard::ports {

struct Operator {
  std::string who;
  std::string why;
};

// Of the job that fails by it.
inline std::string given_up_message(const Operator& by) {
  return "an operator gave the execution up: " + by.why;
}

struct GivenUp {
  ExecutionId execution_id;
  InstanceId instance_id;
  ExecutionState was = ExecutionState::kAssigned;
  bool prompt_may_run = false;  // at the instance; the bridge asks it to stop, as far as it can
};

struct FreedSlot {
  InstanceId instance_id;
  int slot_no = 0;
  std::optional<ExecutionId> held_by;  // absent: the slot was free already
};

struct OperatorRecord {
  std::int64_t id = 0;
  absl::Time at;
  std::string who;
  std::string why;
  domain::OperatorAction action = domain::OperatorAction::kNote;
  std::optional<JobId> job_id;
  std::optional<ExecutionId> execution_id;
  std::optional<InstanceId> instance_id;
  std::optional<int> slot_no;
  std::string data_json;  // a JSON object: note {"ran"}, give_up {"was"}, free_slot {}
};

class OperatorStore {
 public:
  virtual ~OperatorStore() = default;

  // What really happened to a job that failed as submission_unclear; its state stays. A later note replaces an earlier
  // one in JobRow::operator_note, both stay recorded.
  virtual base::Task<absl::StatusOr<OperatorNote>> note(JobId job, bool ran, Operator by) = 0;
  // The job's live execution ends now, with error given_up_by_operator, and its slot is free; the dispatcher's settling
  // fails the job. assigned -> withdrawn, every other live state -> failed. A bridge that still drives it finds its
  // expected state gone.
  virtual base::Task<absl::StatusOr<GivenUp>> give_up(JobId job, Operator by) = 0;
  // Frees a slot whose execution is final. A free one stays so, and that is recorded too.
  virtual base::Task<absl::StatusOr<FreedSlot>> free_slot(std::string instance, int slot_no, Operator by) = 0;
  // Newest first; of one job when given.
  virtual base::Task<absl::StatusOr<std::vector<OperatorRecord>>> actions(std::optional<JobId> job, int limit) = 0;
};

}  // namespace renderyard::ports
