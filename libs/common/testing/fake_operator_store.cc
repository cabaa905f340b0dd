#include "libs/common/testing/fake_operator_store.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "libs/common/base/json.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/domain/error_code.h"

namespace renderyard::testing {

namespace {

using domain::OperatorAction;

// A new action of this operator, to be filled in.
ports::OperatorRecord action_of(Transaction& txn, OperatorAction action, const ports::Operator& by) {
  ports::OperatorRecord record;
  record.at = txn.now();
  record.who = by.who;
  record.why = by.why;
  record.action = action;
  record.data_json = "{}";
  return record;
}

absl::StatusOr<ports::OperatorNote> write_note(Transaction& txn, ports::JobId id, bool ran, const ports::Operator& by) {
  const JobRecord* job = txn.database().job(id);
  if (job == nullptr) return absl::NotFoundError("no such job");
  RETURN_IF_ERROR(domain::may_note(job->row.status, job->row.error ? job->row.error->code : ""));
  ports::OperatorRecord record = action_of(txn, OperatorAction::kNote, by);
  record.job_id = id;
  record.execution_id = job->row.execution_id;
  base::json::object data;
  data["ran"] = ran;
  record.data_json = base::json::serialize(data);
  ports::OperatorNote note{ran, by.who, by.why, record.at};
  RETURN_IF_ERROR(txn.record(std::move(record), note));
  return note;
}

absl::StatusOr<ports::GivenUp> give_up_execution(Transaction& txn, ports::JobId id, const ports::Operator& by) {
  const JobRecord* job = txn.database().job(id);
  if (job == nullptr) return absl::NotFoundError("no such job");
  const ExecutionRecord* found = job->row.execution_id ? txn.database().execution(*job->row.execution_id) : nullptr;
  const auto state = found != nullptr ? std::optional(found->row.state) : std::nullopt;
  ASSIGN_OR_RETURN(const ports::ExecutionState to, domain::given_up_to(job->row.status, state));
  ExecutionRecord execution = *found;
  ports::GivenUp done;
  done.execution_id = execution.row.id;
  done.instance_id = execution.row.instance_id;
  done.was = execution.row.state;
  done.prompt_may_run = domain::prompt_may_run(done.was);
  const absl::Time now = txn.now();
  txn.free_slot_of(execution.row);
  execution.row.state = to;
  execution.row.error =
      ports::JobError{std::string(domain::code::kGivenUpByOperator), ports::given_up_message(by), {}, {}};
  if (!execution.row.ended_at) execution.row.ended_at = now;
  execution.row.completed_at = now;
  if (done.prompt_may_run) execution.row.given_up_at = now;
  RETURN_IF_ERROR(txn.put(execution, domain::Owner::kOperator));
  ports::OperatorRecord record = action_of(txn, OperatorAction::kGiveUp, by);
  record.job_id = id;
  record.execution_id = done.execution_id;
  record.instance_id = done.instance_id;
  record.slot_no = execution.row.slot_no;
  base::json::object data;
  data["was"] = std::string(domain::to_string(done.was));
  record.data_json = base::json::serialize(data);
  RETURN_IF_ERROR(txn.record(std::move(record), std::nullopt));
  return done;
}

std::optional<ports::InstanceId> named(Transaction& txn, const std::string& name) {
  for (const auto& [id, instance] : txn.tables().instances) {
    if (!instance.row.removed_at && instance.row.name == name) return id;
  }
  return std::nullopt;
}

absl::StatusOr<ports::FreedSlot> free_slot_by_hand(Transaction& txn, const std::string& name, int slot_no,
                                                   const ports::Operator& by) {
  const std::optional<ports::InstanceId> instance = named(txn, name);
  const auto slot = instance ? txn.tables().slots.find(SlotKey(*instance, slot_no)) : txn.tables().slots.end();
  if (slot == txn.tables().slots.end()) {
    return absl::NotFoundError("no such instance, or it has no slot of this number");
  }
  ports::FreedSlot freed;
  freed.instance_id = *instance;
  freed.slot_no = slot_no;
  freed.held_by = slot->second;
  if (freed.held_by) {
    RETURN_IF_ERROR(domain::may_free(txn.database().execution(*freed.held_by)->row.state));
    txn.set_slot(slot->first, std::nullopt);
  }
  ports::OperatorRecord record = action_of(txn, OperatorAction::kFreeSlot, by);
  record.execution_id = freed.held_by;
  record.instance_id = freed.instance_id;
  record.slot_no = slot_no;
  RETURN_IF_ERROR(txn.record(std::move(record), std::nullopt));
  return freed;
}

}  // namespace

base::Task<absl::StatusOr<ports::OperatorNote>> FakeOperatorStore::note(ports::JobId job, bool ran,
                                                                        ports::Operator by) {
  return write<absl::StatusOr<ports::OperatorNote>>(
      "operator_note", Draws{},
      [job, ran, by = std::move(by)](Transaction& txn) { return write_note(txn, job, ran, by); });
}

base::Task<absl::StatusOr<ports::GivenUp>> FakeOperatorStore::give_up(ports::JobId job, ports::Operator by) {
  return write<absl::StatusOr<ports::GivenUp>>(
      "give_up", Draws{}, [job, by = std::move(by)](Transaction& txn) { return give_up_execution(txn, job, by); });
}

base::Task<absl::StatusOr<ports::FreedSlot>> FakeOperatorStore::free_slot(std::string instance, int slot_no,
                                                                          ports::Operator by) {
  return write<absl::StatusOr<ports::FreedSlot>>(
      "operator_free_slot", Draws{}, [instance = std::move(instance), slot_no, by = std::move(by)](Transaction& txn) {
        return free_slot_by_hand(txn, instance, slot_no, by);
      });
}

base::Task<absl::StatusOr<std::vector<ports::OperatorRecord>>> FakeOperatorStore::actions(
    std::optional<ports::JobId> job, int limit) {
  using Result = absl::StatusOr<std::vector<ports::OperatorRecord>>;
  return read<Result>("operator_actions", [job, limit](Transaction& txn) -> Result {
    std::vector<ports::OperatorRecord> rows;
    const auto& all = txn.tables().operator_actions;
    for (auto it = all.rbegin(); it != all.rend() && static_cast<int>(rows.size()) < limit; ++it) {
      if (!job || it->second.job_id == job) rows.push_back(it->second);
    }
    return rows;
  });
}

}  // namespace renderyard::testing
