#include "libs/common/adapters/postgres/cancel_store.h"

#include <stdexcept>

#include "libs/common/adapters/postgres/job_store_sql.h"
#include "libs/common/adapters/postgres/offload.h"
#include "libs/common/adapters/postgres/rows.h"

namespace renderyard::postgres {

namespace {

// $1 job. 0 or 1 row: status, error; execution or null, its state, proof, error.
constexpr Statement kJobEnd = {"job_end", R"(
SELECT j.status_id, j.error_code, j.error_message, j.error_details->>'node_id', j.error_details->>'node_class',
  e.id, e.status, e.outcome_proof, e.error_code, e.error_message, e.error_details->>'node_id',
  e.error_details->>'node_class'
FROM jobs j LEFT JOIN comfyui_executions e ON e.id = j.execution_id WHERE j.id = $1)"};

}  // namespace

base::Task<absl::Status> CancelStore::wish(ports::JobId id) {
  auto work = [id](Session& session) -> absl::Status {
    Transaction transaction(session);
    const pqxx::result result = transaction.run(sql::kRecordWish, Params().add(id).null());
    if (result.empty()) return absl::NotFoundError("no such job");
    Reader reader(result.front());
    reader.small();  // the status before; a wish to an ended job is none
    if (const auto execution = reader.maybe_id<ports::ExecutionId>()) {
      transaction.run(sql::kCopyWish, Params().add(*execution));
    }
    transaction.commit();
    return absl::OkStatus();
  };
  return offload<absl::Status>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::JobEnd>> CancelStore::look(ports::JobId id) {
  auto work = [id](Session& session) -> absl::StatusOr<ports::JobEnd> {
    const pqxx::result result = session.run(kJobEnd, Params().add(id));
    if (result.empty()) return absl::NotFoundError("no such job");
    Reader reader(result.front());
    ports::JobEnd end;
    end.status = static_cast<ports::JobStatus>(reader.small());
    end.error = read_error(reader);
    const auto execution = reader.maybe_id<ports::ExecutionId>();
    if (!execution) return end;
    ports::ExecutionEnd& of = end.execution.emplace();
    of.id = *execution;
    const auto state = domain::execution_state_from(reader.text());
    if (!state) throw std::runtime_error("the database has an unknown execution status");
    of.state = *state;
    of.outcome_proof = reader.maybe_text();
    of.error = read_error(reader);
    return end;
  };
  return offload<absl::StatusOr<ports::JobEnd>>(pool_, strand_, std::move(work));
}

}  // namespace renderyard::postgres
