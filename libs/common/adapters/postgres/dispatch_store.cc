#include "libs/common/adapters/postgres/dispatch_store.h"

#include <utility>

#include "libs/common/adapters/postgres/dispatch_store_sql.h"
#include "libs/common/adapters/postgres/offload.h"
#include "libs/common/adapters/postgres/rows.h"

namespace renderyard::postgres {

namespace {

using Kind = ports::Settlement::Kind;

const char* kind_name(Kind kind) {
  switch (kind) {
    case Kind::kStart:
      return "start";
    case Kind::kComplete:
      return "complete";
    case Kind::kFail:
      return "fail";
    case Kind::kCancel:
      return "cancel";
    case Kind::kRequeue:
      return "requeue";
  }
  return "";
}

Params claim_params(const std::vector<ports::Assignment>& wanted, const std::string& claimed_by) {
  std::vector<std::int64_t> jobs, instances, slots;
  std::vector<std::string> prompts;
  for (const ports::Assignment& assignment : wanted) {
    jobs.push_back(assignment.job_id.value);
    instances.push_back(assignment.instance_id.value);
    slots.push_back(assignment.slot_no);
    prompts.push_back(assignment.client_prompt_id);
  }
  return Params().array(jobs).array(instances).array(slots).array(prompts).add(claimed_by);
}

Params settle_params(const std::vector<ports::Settlement>& settlements) {
  std::vector<std::int64_t> executions, jobs, pauses;
  std::vector<std::string> kinds, codes, messages, node_ids, node_classes, reasons;
  for (const ports::Settlement& settlement : settlements) {
    executions.push_back(settlement.execution_id.value);
    jobs.push_back(settlement.job_id.value);
    kinds.emplace_back(kind_name(settlement.kind));
    codes.push_back(settlement.error.code);
    messages.push_back(settlement.error.message);
    node_ids.push_back(settlement.error.node_id);
    node_classes.push_back(settlement.error.node_class);
    reasons.push_back(settlement.reason);
    pauses.push_back(absl::ToInt64Microseconds(std::min(settlement.not_before, absl::Hours(24))));
  }
  Params params;
  params.array(executions).array(jobs).array(kinds).array(codes).array(messages).array(node_ids).array(node_classes);
  params.array(reasons).array(pauses);
  return params;
}

}  // namespace

base::Task<absl::StatusOr<ports::Fleet>> DispatchStore::fleet() {
  auto work = [](Session& session) -> absl::StatusOr<ports::Fleet> {
    ports::Fleet fleet;
    const pqxx::result result = session.run(sql::kFleet);
    for (const auto& columns : result) {
      Reader reader(columns);
      fleet.instances_enabled = reader.small();
      fleet.instances_usable = reader.small();
      const auto instance = reader.maybe_id<ports::InstanceId>();
      if (!instance) break;
      ports::FreeSlot slot;
      slot.instance_id = *instance;
      slot.slot_no = reader.small();
      fleet.free_slots.push_back(slot);
    }
    return fleet;
  };
  return offload<absl::StatusOr<ports::Fleet>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::Candidate>>> DispatchStore::candidates(int limit) {
  auto work = [limit](Session& session) -> absl::StatusOr<std::vector<ports::Candidate>> {
    std::vector<ports::Candidate> candidates;
    const pqxx::result result = session.run(sql::kCandidates, Params().add(limit));
    for (const auto& columns : result) {
      Reader reader(columns);
      ports::Candidate candidate;
      candidate.job_id = reader.id<ports::JobId>();
      candidate.user_id = reader.id<ports::UserId>();
      candidate.priority = reader.small();
      candidate.needs_key = reader.text();
      candidates.push_back(std::move(candidate));
    }
    return candidates;
  };
  return offload<absl::StatusOr<std::vector<ports::Candidate>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::ClaimedExecution>>> DispatchStore::claim(
    std::vector<ports::Assignment> wanted, std::string claimed_by) {
  auto work = [wanted = std::move(wanted), claimed_by = std::move(claimed_by)](
                  Session& session) -> absl::StatusOr<std::vector<ports::ClaimedExecution>> {
    std::vector<ports::ClaimedExecution> claimed;
    if (wanted.empty()) return claimed;
    const pqxx::result result = session.run(sql::kClaim, claim_params(wanted, claimed_by));
    for (const auto& columns : result) {
      Reader reader(columns);
      ports::ClaimedExecution execution;
      execution.execution_id = reader.id<ports::ExecutionId>();
      execution.job_id = reader.id<ports::JobId>();
      execution.instance_id = reader.id<ports::InstanceId>();
      execution.bridge_address = reader.text();
      claimed.push_back(std::move(execution));
    }
    return claimed;
  };
  return offload<absl::StatusOr<std::vector<ports::ClaimedExecution>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::StaleAssignment>>> DispatchStore::stale_assigned(absl::Duration age,
                                                                                              int limit) {
  auto work = [age, limit](Session& session) -> absl::StatusOr<std::vector<ports::StaleAssignment>> {
    std::vector<ports::StaleAssignment> stale;
    const pqxx::result result = session.run(sql::kStaleAssigned, Params().add(age).add(limit));
    for (const auto& columns : result) {
      Reader reader(columns);
      ports::StaleAssignment assignment;
      assignment.execution_id = reader.id<ports::ExecutionId>();
      assignment.job_id = reader.id<ports::JobId>();
      stale.push_back(assignment);
    }
    return stale;
  };
  return offload<absl::StatusOr<std::vector<ports::StaleAssignment>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<bool>> DispatchStore::withdraw(ports::ExecutionId execution, std::string reason) {
  auto work = [execution, reason = std::move(reason)](Session& session) -> absl::StatusOr<bool> {
    return !session.run(sql::kWithdraw, Params().add(execution).add(reason)).empty();
  };
  return offload<absl::StatusOr<bool>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::UnsettledExecution>>> DispatchStore::unsettled(absl::Duration min_age,
                                                                                            int limit) {
  auto work = [min_age, limit](Session& session) -> absl::StatusOr<std::vector<ports::UnsettledExecution>> {
    std::vector<ports::UnsettledExecution> unsettled;
    const pqxx::result result = session.run(sql::kUnsettled, Params().add(min_age).add(limit));
    for (const auto& columns : result) {
      Reader reader(columns);
      ports::UnsettledExecution row;
      row.execution = read_execution(reader);
      row.job_status = static_cast<ports::JobStatus>(reader.small());
      row.job_wants_cancel = reader.boolean();
      row.earlier_not_accepted = reader.small();
      row.result_json = reader.maybe_text();
      unsettled.push_back(std::move(row));
    }
    return unsettled;
  };
  return offload<absl::StatusOr<std::vector<ports::UnsettledExecution>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::JobId>>> DispatchStore::settle(
    std::vector<ports::Settlement> settlements) {
  auto work = [settlements = std::move(settlements)](Session& session) -> absl::StatusOr<std::vector<ports::JobId>> {
    std::vector<ports::JobId> applied;
    if (settlements.empty()) return applied;
    const pqxx::result result = session.run(sql::kSettle, settle_params(settlements));
    for (const auto& columns : result) applied.push_back(ports::JobId{columns[0].as<std::int64_t>()});
    return applied;
  };
  return offload<absl::StatusOr<std::vector<ports::JobId>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<int>> DispatchStore::cancel_wished(int limit) {
  auto work = [limit](Session& session) -> absl::StatusOr<int> {
    return session.run(sql::kCancelWished, Params().add(limit)).front()[0].as<int>();
  };
  return offload<absl::StatusOr<int>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<int>> DispatchStore::fail_waited(ports::JobError error, int limit) {
  auto work = [error = std::move(error), limit](Session& session) -> absl::StatusOr<int> {
    const pqxx::result result = session.run(sql::kFailWaited, Params().add(error.code).add(error.message).add(limit));
    return result.front()[0].as<int>();
  };
  return offload<absl::StatusOr<int>>(pool_, strand_, std::move(work));
}

base::Task<absl::Status> DispatchStore::set_waiting_reason(std::string reason) {
  auto work = [reason = std::move(reason)](Session& session) -> absl::Status {
    session.run(sql::kSetWaitingReason, Params().add(reason));
    return absl::OkStatus();
  };
  return offload<absl::Status>(pool_, strand_, std::move(work));
}

}  // namespace renderyard::postgres
