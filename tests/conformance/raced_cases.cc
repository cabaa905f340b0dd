// All sides at once: a gateway that submits and wishes, two dispatchers that claim, withdraw and settle, four bridge
// workers of which two each share a lease, so that every compare-and-set has a rival. On PostgreSQL these are eight
// connections. Afterwards every job has exactly one end, and nothing was started twice or put on one slot twice.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"
#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::ExecutionState;
using ports::JobStatus;
using Kind = ports::Settlement::Kind;

struct Race {
  explicit Race(StoreWorld& w) : world(w) {}

  StoreWorld& world;
  base::SplitMix random{7};
  ports::UserId user;
  int jobs_to_submit = 0;
  std::map<ports::InstanceId, ports::Epoch> leases;
  std::set<ports::JobId> submitted;
  bool done = false;
  // What was won, and how often.
  std::map<ports::JobId, int> ends;
  std::map<ports::ExecutionId, int> claims, starts, withdrawals, completions;
};

ports::NewJob raced_job(Race& race) {
  ports::NewJob job;
  job.user = race.user;
  job.uid = race.random.uuid4();
  job.job_type = "image_generation";
  job.workflow = "{}";
  job.parameters_json = "{}";
  job.needs_key = "n";
  job.priority = static_cast<int>(race.random.below(3));
  return job;
}

base::Task<absl::Status> gateway(Race& race, Stores stores) {
  for (int i = 0; i < race.jobs_to_submit; ++i) {
    ports::NewJob job = raced_job(race);
    ASSIGN_OR_CO_RETURN(const auto submitted, co_await stores.jobs.submit(std::move(job)));
    race.submitted.insert(submitted.id);
    if (race.random.chance(0.2)) {
      auto wished = race.submitted.begin();
      std::advance(wished, static_cast<std::ptrdiff_t>(race.random.below(race.submitted.size())));
      const ports::JobId id = *wished;
      const auto answer = co_await stores.jobs.request_cancel(id, race.user);
      CO_RETURN_IF_ERROR(answer.status());
    }
  }
  ports::JobListQuery pending;
  pending.status = JobStatus::kPending;
  pending.limit = 1;
  ports::JobListQuery running = pending;
  running.status = JobStatus::kRunning;
  while (true) {
    ASSIGN_OR_CO_RETURN(const auto waiting, co_await stores.jobs.list(pending));
    ASSIGN_OR_CO_RETURN(const auto moving, co_await stores.jobs.list(running));
    if (waiting.empty() && moving.empty()) break;
  }
  race.done = true;
  co_return absl::OkStatus();
}

ports::Settlement decide(const ports::UnsettledExecution& one) {
  ports::Settlement settlement;
  settlement.execution_id = one.execution.id;
  settlement.job_id = one.execution.job_id;
  switch (one.execution.state) {
    case ExecutionState::kCompleted:
      settlement.kind = Kind::kComplete;
      break;
    case ExecutionState::kCancelled:
      settlement.kind = Kind::kCancel;
      break;
    case ExecutionState::kNotAccepted:
      settlement.kind = one.job_wants_cancel ? Kind::kCancel : Kind::kRequeue;
      break;
    case ExecutionState::kFailed:
    case ExecutionState::kLost:
      settlement.kind = Kind::kFail;
      break;
    default:
      settlement.kind = Kind::kStart;
      break;
  }
  settlement.error.code = "execution_lost";
  settlement.reason = "not_accepted";
  return settlement;
}

// Pairs slots and jobs by chance, so that the two dispatchers want the same slot for different jobs and the other way
// round.
std::vector<ports::Assignment> pair_up(Race& race, const ports::Fleet& fleet,
                                       const std::vector<ports::Candidate>& candidates) {
  std::vector<ports::Assignment> wanted;
  std::size_t next = race.random.below(3);
  for (const auto& slot : fleet.free_slots) {
    if (next >= candidates.size()) break;
    ports::Assignment assignment;
    assignment.job_id = candidates[next].job_id;
    assignment.instance_id = slot.instance_id;
    assignment.slot_no = slot.slot_no;
    assignment.client_prompt_id = race.random.uuid4();
    wanted.push_back(std::move(assignment));
    next += 1 + race.random.below(2);
  }
  if (wanted.empty() && !candidates.empty() && !fleet.free_slots.empty()) {
    ports::Assignment assignment;
    assignment.job_id = candidates.front().job_id;
    assignment.instance_id = fleet.free_slots.front().instance_id;
    assignment.slot_no = fleet.free_slots.front().slot_no;
    assignment.client_prompt_id = race.random.uuid4();
    wanted.push_back(std::move(assignment));
  }
  return wanted;
}

base::Task<absl::Status> dispatcher(Race& race, Stores stores, std::string name) {
  while (!race.done) {
    ASSIGN_OR_CO_RETURN(const auto fleet, co_await stores.dispatch.fleet());
    ASSIGN_OR_CO_RETURN(const auto candidates, co_await stores.dispatch.candidates(20));
    auto wanted = pair_up(race, fleet, candidates);
    if (!wanted.empty()) {
      ASSIGN_OR_CO_RETURN(const auto claimed, co_await stores.dispatch.claim(std::move(wanted), name));
      for (const auto& one : claimed) ++race.claims[one.execution_id];
    }
    ASSIGN_OR_CO_RETURN(const auto stale, co_await stores.dispatch.stale_assigned(-absl::Seconds(1), 5));
    for (const auto& one : stale) {
      if (!race.random.chance(0.3)) continue;
      ASSIGN_OR_CO_RETURN(const bool withdrawn, co_await stores.dispatch.withdraw(one.execution_id, "raced"));
      if (withdrawn) ++race.withdrawals[one.execution_id];
    }
    ASSIGN_OR_CO_RETURN(const auto feed, co_await stores.dispatch.unsettled(absl::ZeroDuration(), 50));
    std::vector<ports::Settlement> settlements;
    std::set<ports::JobId> ending;
    for (const auto& one : feed) {
      settlements.push_back(decide(one));
      const Kind kind = settlements.back().kind;
      if (kind == Kind::kComplete || kind == Kind::kFail || kind == Kind::kCancel) ending.insert(one.execution.job_id);
    }
    if (!settlements.empty()) {
      ASSIGN_OR_CO_RETURN(const auto applied, co_await stores.dispatch.settle(std::move(settlements)));
      for (const auto& job : applied) {
        if (ending.contains(job)) ++race.ends[job];
      }
    }
    const auto answer = co_await stores.dispatch.cancel_wished(10);
    CO_RETURN_IF_ERROR(answer.status());
  }
  co_return absl::OkStatus();
}

ExecutionState next_state(Race& race, const ports::ExecutionRow& row) {
  const std::uint64_t chance = race.random.below(10);
  switch (row.state) {
    case ExecutionState::kSubmitting:
      if (chance == 0) return ExecutionState::kNotAccepted;
      if (chance == 1) return ExecutionState::kLost;
      return chance < 5 ? ExecutionState::kCollecting : ExecutionState::kQueued;
    case ExecutionState::kQueued:
      return row.cancel_requested_at ? ExecutionState::kCancelled : ExecutionState::kRunning;
    default:
      if (row.cancel_requested_at && chance < 5) return ExecutionState::kCancelled;
      return chance == 0 ? ExecutionState::kFailed : ExecutionState::kCollecting;
  }
}

base::Task<absl::Status> bridge_step(Race& race, Stores stores, ports::ExecutionRow row, ports::Epoch epoch) {
  const ports::ExecutionId id = row.id;
  if (row.state == ExecutionState::kAssigned) {
    ASSIGN_OR_CO_RETURN(const auto started, co_await stores.executions.start(id, row.instance_id, epoch, "ry-raced"));
    if (started) ++race.starts[id];
    co_return absl::OkStatus();
  }
  if (row.state == ExecutionState::kCollecting) {
    std::vector<ports::OutputRow> outputs;
    ASSIGN_OR_CO_RETURN(const bool completed, co_await stores.executions.complete(id, epoch, outputs, "{}"));
    if (completed) ++race.completions[id];
    co_return absl::OkStatus();
  }
  ports::Advance step;
  step.id = id;
  step.epoch = epoch;
  step.from = {row.state};
  step.to = next_state(race, row);
  if (row.state == ExecutionState::kSubmitting) step.comfyui_prompt_id = row.client_prompt_id;
  const auto answer = co_await stores.executions.advance(std::move(step));
  CO_RETURN_IF_ERROR(answer.status());
  co_return absl::OkStatus();
}

base::Task<absl::Status> bridge_worker(Race& race, Stores stores, std::string owner) {
  while (!race.done) {
    std::vector<ports::ExecutionId> none;
    ASSIGN_OR_CO_RETURN(const auto live, co_await stores.executions.news(owner, std::move(none)));
    std::set<std::pair<ports::InstanceId, int>> slots;
    for (const auto& row : live) {
      if (!domain::holds_slot(row.state)) continue;
      if (!slots.emplace(row.instance_id, row.slot_no).second) {
        co_return absl::InternalError("two executions in one slot");
      }
    }
    for (const auto& row : live) {
      const ports::Epoch epoch = race.leases[row.instance_id];
      CO_RETURN_IF_ERROR(co_await bridge_step(race, stores, row, epoch));
    }
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> run_race(Race& race) {
  base::Group group(race.world.strand());
  group.spawn(gateway(race, race.world.client(0)));
  group.spawn(dispatcher(race, race.world.client(1), "dispatcher-1"));
  group.spawn(dispatcher(race, race.world.client(2), "dispatcher-2"));
  group.spawn(bridge_worker(race, race.world.client(3), "bridge-1"));
  group.spawn(bridge_worker(race, race.world.client(4), "bridge-1"));
  group.spawn(bridge_worker(race, race.world.client(5), "bridge-2"));
  group.spawn(bridge_worker(race, race.world.client(6), "bridge-2"));
  co_return co_await group.join();
}

TEST_P(StoreSuite, RacedByAllSides) {
  Race race(world());
  race.user = user();
  race.jobs_to_submit = 300;
  const auto lease_all = [&](const std::string& owner) {
    for (const auto& lease : must(executions().acquire(bridge(owner), absl::Seconds(600), 10))) {
      set_status(lease, ports::InstanceStatus::kConnected);
      race.leases[lease.instance_id] = lease.epoch;
    }
  };
  add_instance("gpu-1", 2);
  add_instance("gpu-2");
  lease_all("bridge-1");
  add_instance("gpu-3", 3);
  add_instance("gpu-4");
  lease_all("bridge-2");
  const absl::Status status = await(run_race(race));
  ASSERT_TRUE(status.ok()) << status;

  ASSERT_EQ(race.submitted.size(), 300u);
  const auto log = must(event_log().read(0, must(event_log().last_issued_id()), 1000000));
  std::map<ports::JobId, std::vector<std::string>> histories;
  std::map<ports::JobId, std::set<ports::ExecutionId>> claimed;
  for (const auto& event : log) {
    histories[event.job_id].push_back(event.type);
    EXPECT_EQ(event.seq, static_cast<int>(histories[event.job_id].size())) << "job " << event.job_id;
    if (event.type == ports::event_type::kClaimed) claimed[event.job_id].insert(event.execution_id.value());
  }
  EXPECT_EQ(histories.size(), 300u);
  std::size_t executions_claimed = 0;
  for (const auto& id : race.submitted) {
    const ports::JobRow row = job(id);
    EXPECT_TRUE(domain::is_final(row.status)) << "job " << id;
    int finals = 0;
    for (const auto& type : histories[id]) {
      if (type == ports::event_type::kCompleted || type == ports::event_type::kFailed ||
          type == ports::event_type::kCancelled) {
        ++finals;
      }
    }
    EXPECT_EQ(finals, 1) << "job " << id;
    EXPECT_EQ(histories[id].back(), "job_" + std::string(domain::to_string(row.status))) << "nothing follows the end";
    EXPECT_LE(race.ends[id], 1) << "job " << id << " was settled twice";
    EXPECT_EQ(row.attempt, static_cast<int>(claimed[id].size())) << "every claim has its own execution";
    int last_attempt = 0;
    for (const auto& e : claimed[id]) {
      const ports::ExecutionRow made = execution(e);
      EXPECT_EQ(made.job_id, id);
      EXPECT_GT(made.attempt, last_attempt);
      last_attempt = made.attempt;
      EXPECT_TRUE(domain::is_final(made.state) && made.settled_at) << "execution " << e;
      EXPECT_EQ(race.claims[e], 1);
      EXPECT_LE(race.starts[e], 1) << "execution " << e << " was started twice";
      EXPECT_EQ(race.starts[e] + race.withdrawals[e], 1) << "execution " << e << ": exactly one side wins";
      EXPECT_EQ(made.state == ExecutionState::kWithdrawn, race.withdrawals[e] == 1);
      EXPECT_EQ(made.state == ExecutionState::kCompleted, race.completions[e] > 0);
    }
    executions_claimed += claimed[id].size();
  }
  EXPECT_EQ(executions_claimed, race.claims.size());
  EXPECT_EQ(free_slots().size(), 7u) << "all slots are free again";
  EXPECT_TRUE(unsettled().empty());
}

}  // namespace
}  // namespace renderyard::conformance
