#include "libs/common/testing/fake_wish.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::testing {

using domain::Owner;

absl::StatusOr<ports::CancelOutcome> record_wish(Transaction& txn, ports::JobId id, std::optional<ports::UserId> by) {
  const JobRecord* found = txn.database().job(id);
  if (found == nullptr) return absl::NotFoundError("no such job");
  if (found->row.status == ports::JobStatus::kCancelled) return ports::CancelOutcome::kAlreadyCancelled;
  if (domain::is_final(found->row.status)) return ports::CancelOutcome::kAlreadyEnded;
  if (found->row.cancel_requested_at) return ports::CancelOutcome::kRecorded;
  JobRecord job = *found;
  job.row.cancel_requested_at = txn.now();
  job.cancel_requested_by = by;
  base::json::object data;
  if (by) {
    data["by"] = by->value;
  } else {
    data["by"] = nullptr;
  }
  RETURN_IF_ERROR(
      txn.write_event(job, ports::event_type::kCancelRequested, job.row.execution_id, base::json::serialize(data)));
  RETURN_IF_ERROR(txn.put(job, Owner::kGateway));
  if (!job.row.execution_id) return ports::CancelOutcome::kRecorded;
  ExecutionRecord execution = *txn.database().execution(*job.row.execution_id);
  if (domain::is_final(execution.row.state)) return ports::CancelOutcome::kRecorded;
  execution.row.cancel_requested_at = job.row.cancel_requested_at;
  RETURN_IF_ERROR(txn.put(execution, Owner::kGateway));
  return ports::CancelOutcome::kRecorded;
}

}  // namespace renderyard::testing
