// Many clients race claim, withdraw, start and the rest for ten seconds: no slot is ever overbooked, no job taken
// twice, and nothing deadlocks.
#include <gtest/gtest.h>

#include <atomic>

#include "tests/integration/postgres/harness.h"

namespace renderyard::postgres {
namespace {

using ports::ExecutionState;

constexpr int kClients = 12;
constexpr int kSlots = 4;
constexpr auto kLoad = std::chrono::seconds(10);

struct Race {
  SessionOptions options;
  ports::UserId user;
  std::vector<ports::Lease> leases;
  std::atomic<bool> stop = false;
  std::atomic<int> claimed = 0, withdrawn = 0, ended = 0, submitted = 0;

  ports::Epoch epoch_of(ports::InstanceId id) const {
    for (const auto& lease : leases) {
      if (lease.instance_id == id) return lease.epoch;
    }
    return {};
  }
};

// Every client wants other pairs of the same few slots and the same head of the line.
std::vector<ports::Assignment> pairs(const ports::Fleet& fleet, const std::vector<ports::Candidate>& candidates,
                                     base::SplitMix& random) {
  std::vector<ports::Assignment> wanted;
  std::size_t next = random.below(3);
  for (const auto& slot : fleet.free_slots) {
    if (next >= candidates.size()) break;
    ports::Assignment assignment;
    assignment.job_id = candidates[next].job_id;
    assignment.instance_id = slot.instance_id;
    assignment.slot_no = slot.slot_no;
    assignment.client_prompt_id = random.uuid4();
    wanted.push_back(std::move(assignment));
    next += 1 + random.below(2);
  }
  return wanted;
}

// Walks one execution to an end and tells its job.
void run_to_end(Client& client, Race& race, const ports::ClaimedExecution& claimed, base::SplitMix& random) {
  const ports::Epoch epoch = race.epoch_of(claimed.instance_id);
  const auto started =
      must(client.await(client.executions.start(claimed.execution_id, claimed.instance_id, epoch, "ry-1")));
  if (!started) return;  // somebody withdrew it
  ports::Advance step;
  step.id = claimed.execution_id;
  step.epoch = epoch;
  step.from = {ExecutionState::kSubmitting};
  step.to = random.chance(0.3) ? ExecutionState::kNotAccepted : ExecutionState::kCollecting;
  must(client.await(client.executions.advance(step)));
  ports::Settlement settlement;
  settlement.execution_id = claimed.execution_id;
  settlement.job_id = claimed.job_id;
  settlement.kind = ports::Settlement::Kind::kRequeue;
  if (step.to == ExecutionState::kCollecting) {
    const std::vector<ports::ProgressWrite> progress{{claimed.execution_id, epoch, 50, "5"}};
    EXPECT_TRUE(client.await(client.executions.record_progress(progress)).ok());
    EXPECT_TRUE(must(client.await(client.executions.complete(claimed.execution_id, epoch, {}, "{}"))));
    settlement.kind = ports::Settlement::Kind::kComplete;
  }
  const std::vector<ports::Settlement> settlements{settlement};
  const auto applied = must(client.await(client.dispatch.settle(settlements)));
  if (!applied.empty() && settlement.kind == ports::Settlement::Kind::kComplete) ++race.ended;
}

void race_along(Race& race, int number) {
  Client client(race.options);
  base::SplitMix random(static_cast<std::uint64_t>(number));
  while (!race.stop) {
    if (race.submitted - race.ended < 40) {
      must(client.await(client.jobs.submit(new_job(race.user, random))));
      ++race.submitted;
    }
    const auto fleet = must(client.await(client.dispatch.fleet()));
    const auto candidates = must(client.await(client.dispatch.candidates(10)));
    auto wanted = pairs(fleet, candidates, random);
    if (!wanted.empty()) {
      for (const auto& claimed : must(client.await(client.dispatch.claim(std::move(wanted), "d")))) {
        ++race.claimed;
        run_to_end(client, race, claimed, random);
      }
    }
    for (const auto& stale : must(client.await(client.dispatch.stale_assigned(absl::ZeroDuration(), 3)))) {
      if (random.chance(0.5) && must(client.await(client.dispatch.withdraw(stale.execution_id, "raced")))) {
        ++race.withdrawn;
      }
    }
  }
}

TEST(Claims, NoSlotOverbookedNoJobTwice) {
  Race race;
  race.options = fresh_database();
  const auto admin = must(open_session(race.options));
  race.user = must(ensure_user(*admin, "anna", ports::Role::kUser));
  {
    Client client(race.options);
    race.leases = {make_instance(client, "gpu-1", kSlots / 2), make_instance(client, "gpu-2", kSlots / 2)};
  }
  std::vector<std::thread> clients;
  for (int n = 1; n <= kClients; ++n) clients.emplace_back([&race, n] { race_along(race, n); });
  // Looks from outside all the while: the unique indexes are nets, this is what they would catch.
  std::int64_t most_live = 0;
  const auto until = std::chrono::steady_clock::now() + kLoad;
  while (std::chrono::steady_clock::now() < until) {
    most_live = std::max(most_live, count(*admin,
                                          "SELECT count(*) FROM comfyui_executions WHERE status IN "
                                          "('assigned', 'submitting', 'queued', 'running')"));
    EXPECT_EQ(count(*admin,
                    "SELECT count(*) FROM comfyui_executions e JOIN instance_slots s USING (instance_id, slot_no)"
                    " WHERE e.status IN ('assigned', 'submitting', 'queued', 'running')"
                    " AND s.execution_id IS DISTINCT FROM e.id"),
              0)
        << "a live execution holds its slot";
  }
  race.stop = true;
  for (std::thread& client : clients) client.join();

  EXPECT_LE(most_live, kSlots);
  EXPECT_GT(race.claimed, 100) << "too little load to mean anything";
  EXPECT_GT(race.withdrawn, 0);
  EXPECT_EQ(count(*admin, "SELECT count(*) FROM comfyui_executions"), race.claimed) << "one row per claim won";
  EXPECT_EQ(count(*admin, "SELECT count(*) FROM job_events WHERE type = 'job_completed'"), race.ended);
  EXPECT_EQ(count(*admin,
                  "SELECT count(*) FROM (SELECT job_id FROM job_events WHERE type = 'job_completed'"
                  " GROUP BY job_id HAVING count(*) > 1) AS twice"),
            0);
  EXPECT_EQ(count(*admin,
                  "SELECT count(*) FROM jobs j WHERE event_seq <> (SELECT count(*) FROM job_events e"
                  " WHERE e.job_id = j.id)"),
            0)
      << "seq is gap-free";
  EXPECT_EQ(count(*admin, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"), 0);
}

}  // namespace
}  // namespace renderyard::postgres
