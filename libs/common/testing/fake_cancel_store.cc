#include "libs/common/testing/fake_cancel_store.h"

#include "libs/common/testing/fake_wish.h"

namespace renderyard::testing {

base::Task<absl::Status> FakeCancelStore::wish(ports::JobId job) {
  Draws draws;
  draws.event_ids = 1;
  return write<absl::Status>("wish_cancel", draws,
                             [job](Transaction& txn) { return record_wish(txn, job, std::nullopt).status(); });
}

base::Task<absl::StatusOr<ports::JobEnd>> FakeCancelStore::look(ports::JobId id) {
  return read<absl::StatusOr<ports::JobEnd>>("job_end", [id](Transaction& txn) -> absl::StatusOr<ports::JobEnd> {
    const JobRecord* job = txn.database().job(id);
    if (job == nullptr) return absl::NotFoundError("no such job");
    ports::JobEnd end;
    end.status = job->row.status;
    end.error = job->row.error;
    if (!job->row.execution_id) return end;
    const ports::ExecutionRow& row = txn.database().execution(*job->row.execution_id)->row;
    end.execution = ports::ExecutionEnd{row.id, row.state, row.outcome_proof, row.error};
    return end;
  });
}

}  // namespace renderyard::testing
