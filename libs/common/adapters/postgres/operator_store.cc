#include "libs/common/adapters/postgres/operator_store.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <stdexcept>
#include <utility>

#include "libs/common/adapters/postgres/offload.h"
#include "libs/common/adapters/postgres/operator_store_sql.h"
#include "libs/common/adapters/postgres/reader.h"
#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/domain/error_code.h"

namespace renderyard::postgres {

namespace {

using domain::OperatorAction;

struct LockedJob {
  ports::JobStatus status = ports::JobStatus::kPending;
  std::string error_code;
  std::optional<ports::ExecutionId> execution;
};

struct LockedExecution {
  ports::ExecutionState state = ports::ExecutionState::kAssigned;
  ports::InstanceId instance;
  int slot_no = 0;
};

absl::StatusOr<LockedJob> lock_job(Transaction& transaction, ports::JobId id) {
  const pqxx::result result = transaction.run(sql::kLockJob, Params().add(id));
  if (result.empty()) return absl::NotFoundError("no such job");
  Reader reader(result.front());
  LockedJob job;
  job.status = static_cast<ports::JobStatus>(reader.small());
  job.error_code = reader.text();
  job.execution = reader.maybe_id<ports::ExecutionId>();
  return job;
}

// The foreign keys say that it exists.
LockedExecution lock_execution(Transaction& transaction, ports::ExecutionId id) {
  const pqxx::result result = transaction.run(sql::kLockExecution, Params().add(id));
  Reader reader(result.at(0));
  LockedExecution execution;
  const auto state = domain::execution_state_from(reader.text());
  if (!state) throw std::runtime_error("the database has an unknown execution status");
  execution.state = *state;
  execution.instance = reader.id<ports::InstanceId>();
  execution.slot_no = reader.small();
  return execution;
}

struct About {
  OperatorAction action;
  std::optional<ports::JobId> job;
  std::optional<ports::ExecutionId> execution;
  std::optional<ports::InstanceId> instance;
  std::optional<int> slot_no;
  base::json::object data;
};

absl::Time record(Transaction& transaction, const ports::Operator& by, const About& about) {
  Params params = Params().add(by.who).add(by.why).add(domain::to_string(about.action));
  params.maybe(about.job).maybe(about.execution).maybe(about.instance).maybe(about.slot_no);
  params.add(base::json::serialize(about.data));
  const pqxx::result result = transaction.run(sql::kRecordAction, params);
  return Reader(result.front()).time();
}

absl::StatusOr<ports::GivenUp> give_up_now(Session& session, ports::JobId id, const ports::Operator& by) {
  Transaction transaction(session);
  ASSIGN_OR_RETURN(const LockedJob job, lock_job(transaction, id));
  std::optional<LockedExecution> execution;
  if (job.execution) execution = lock_execution(transaction, *job.execution);
  const auto state = execution ? std::optional(execution->state) : std::nullopt;
  ASSIGN_OR_RETURN(const ports::ExecutionState to, domain::given_up_to(job.status, state));
  ports::GivenUp done;
  done.execution_id = *job.execution;
  done.instance_id = execution->instance;
  done.was = execution->state;
  done.prompt_may_run = domain::prompt_may_run(done.was);
  Params params = Params().add(done.execution_id).add(domain::to_string(done.was)).add(domain::to_string(to));
  params.add(domain::code::kGivenUpByOperator).add(ports::given_up_message(by)).add(done.prompt_may_run);
  if (transaction.run(sql::kGiveUp, params).empty()) return absl::InternalError("a locked execution was moved");
  About about{OperatorAction::kGiveUp, id, done.execution_id, done.instance_id, execution->slot_no, {}};
  about.data["was"] = std::string(domain::to_string(done.was));
  record(transaction, by, about);
  transaction.commit();
  return done;
}

absl::StatusOr<ports::FreedSlot> free_slot_now(Session& session, const std::string& name, int slot_no,
                                               const ports::Operator& by) {
  Transaction transaction(session);
  const pqxx::result found = transaction.run(sql::kFindSlot, Params().add(name).add(slot_no));
  if (found.empty()) return absl::NotFoundError("no such instance, or it has no slot of this number");
  Reader reader(found.front());
  ports::FreedSlot freed;
  freed.slot_no = slot_no;
  freed.instance_id = reader.id<ports::InstanceId>();
  freed.held_by = reader.maybe_id<ports::ExecutionId>();
  if (freed.held_by) {
    const LockedExecution holder = lock_execution(transaction, *freed.held_by);
    RETURN_IF_ERROR(domain::may_free(holder.state));
    const Params params = Params().add(freed.instance_id).add(slot_no).add(*freed.held_by);
    if (transaction.run(sql::kFreeSlot, params).empty()) {
      return absl::AbortedError("the slot changed hands a moment ago; look again");
    }
  }
  record(transaction, by, {OperatorAction::kFreeSlot, {}, freed.held_by, freed.instance_id, slot_no, {}});
  transaction.commit();
  return freed;
}

ports::OperatorRecord read_action(const pqxx::row& columns) {
  Reader reader(columns);
  ports::OperatorRecord row;
  row.id = reader.number();
  row.at = reader.time();
  row.who = reader.text();
  row.why = reader.text();
  const auto action = domain::operator_action_from(reader.text());
  if (!action) throw std::runtime_error("the database has an unknown operator action");
  row.action = *action;
  row.job_id = reader.maybe_id<ports::JobId>();
  row.execution_id = reader.maybe_id<ports::ExecutionId>();
  row.instance_id = reader.maybe_id<ports::InstanceId>();
  row.slot_no = reader.maybe_small();
  row.data_json = reader.text();
  return row;
}

}  // namespace

base::Task<absl::StatusOr<ports::OperatorNote>> OperatorStore::note(ports::JobId id, bool ran, ports::Operator by) {
  auto work = [id, ran, by = std::move(by)](Session& session) -> absl::StatusOr<ports::OperatorNote> {
    Transaction transaction(session);
    ASSIGN_OR_RETURN(const LockedJob job, lock_job(transaction, id));
    RETURN_IF_ERROR(domain::may_note(job.status, job.error_code));
    About about{OperatorAction::kNote, id, job.execution, {}, {}, {}};
    about.data["ran"] = ran;
    const absl::Time at = record(transaction, by, about);
    transaction.commit();
    return ports::OperatorNote{ran, by.who, by.why, at};
  };
  return offload<absl::StatusOr<ports::OperatorNote>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::GivenUp>> OperatorStore::give_up(ports::JobId job, ports::Operator by) {
  auto work = [job, by = std::move(by)](Session& session) { return give_up_now(session, job, by); };
  return offload<absl::StatusOr<ports::GivenUp>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::FreedSlot>> OperatorStore::free_slot(std::string instance, int slot_no,
                                                                      ports::Operator by) {
  auto work = [instance = std::move(instance), slot_no, by = std::move(by)](Session& session) {
    return free_slot_now(session, instance, slot_no, by);
  };
  return offload<absl::StatusOr<ports::FreedSlot>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::OperatorRecord>>> OperatorStore::actions(std::optional<ports::JobId> job,
                                                                                      int limit) {
  auto work = [job, limit](Session& session) -> absl::StatusOr<std::vector<ports::OperatorRecord>> {
    std::vector<ports::OperatorRecord> rows;
    const pqxx::result result = session.run(sql::kActions, Params().maybe(job).add(limit));
    for (const auto& columns : result) rows.push_back(read_action(columns));
    return rows;
  };
  return offload<absl::StatusOr<std::vector<ports::OperatorRecord>>>(pool_, strand_, std::move(work));
}

}  // namespace renderyard::postgres
