// Smaller races, each of many clients for one thing: one order with one key, one wish, one lease, one start, and a
// tailer of the position scheme beside busy writers.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"
#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::ExecutionState;

constexpr int kClients = 6;

struct Orders {
  std::set<ports::JobId> ids;
  int born = 0;
};

base::Task<absl::Status> order(Stores stores, ports::NewJob job, Orders& orders) {
  ASSIGN_OR_CO_RETURN(const auto submitted, co_await stores.jobs.submit(std::move(job)));
  orders.ids.insert(submitted.id);
  if (!submitted.replayed) ++orders.born;
  co_return absl::OkStatus();
}

base::Task<absl::Status> order_all(StoreWorld& world, std::vector<ports::NewJob> jobs, Orders& orders) {
  base::Group group(world.strand());
  int client = 0;
  for (const auto& job : jobs) group.spawn(order(world.client(client++), job, orders));
  co_return co_await group.join();
}

TEST_P(StoreSuite, RacedOrdersWithOneKeyAreOneJob) {
  for (int round = 0; round < 5; ++round) {
    std::vector<ports::NewJob> same(kClients, new_job());
    ports::IdempotencyKey key;
    key.key = "order-" + std::to_string(round);
    key.body_sha256 = fresh_sha256();
    for (auto& job : same) {
      job.uid = fresh_uuid();
      job.idempotency = key;
    }
    Orders orders;
    const absl::Status status = await(order_all(world(), same, orders));
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(orders.ids.size(), 1u);
    EXPECT_EQ(orders.born, 1);
  }
  EXPECT_EQ(must(jobs().list({})).size(), 5u);
}

base::Task<absl::Status> wish(Stores stores, ports::JobId job, ports::UserId user) {
  const auto answer = co_await stores.jobs.request_cancel(job, user);
  co_return answer.status();
}

base::Task<absl::Status> claim_once(Stores stores, ports::Assignment wanted) {
  std::vector<ports::Assignment> one{std::move(wanted)};
  const auto answer = co_await stores.dispatch.claim(std::move(one), "dispatcher-1");
  co_return answer.status();
}

base::Task<absl::Status> wish_all(StoreWorld& world, ports::JobId job, ports::UserId user, ports::Assignment wanted) {
  base::Group group(world.strand());
  for (int client = 1; client < kClients; ++client) group.spawn(wish(world.client(client), job, user));
  group.spawn(claim_once(world.client(0), std::move(wanted)));
  co_return co_await group.join();
}

TEST_P(StoreSuite, RacedWishesAreOneAndReachTheExecution) {
  for (int round = 0; round < 8; ++round) {
    const ports::InstanceId instance = add_instance("gpu-" + std::to_string(round));
    const ports::JobId id = submit();
    const absl::Status status = await(wish_all(world(), id, user(), assignment(id, instance)));
    ASSERT_TRUE(status.ok()) << status;
    const ports::JobRow row = job(id);
    EXPECT_TRUE(row.cancel_requested_at);
    int wishes = 0;
    for (const auto& type : history_of(id)) wishes += type == "cancel_requested" ? 1 : 0;
    EXPECT_EQ(wishes, 1);
    // Claimed first: the wish was copied. Wished first: it was not claimed.
    if (row.execution_id) {
      EXPECT_TRUE(execution(*row.execution_id).cancel_requested_at);
    }
  }
}

// Two bridges take the one lease from each other as fast as they can, and both move its executions.
struct Fight {
  explicit Fight(StoreWorld& w) : world(w) {}
  StoreWorld& world;
  ports::InstanceId instance;
  ports::ExecutionId prey;
  std::int64_t newest_epoch = 0;  // returned to anybody
  std::set<std::int64_t> epochs;
  int starts = 0;
  std::map<ExecutionState, int> moves;  // by state moved to
  std::vector<std::string> violations;
};

base::Task<absl::Status> fight_step(Fight& fight, Stores stores, ports::Epoch epoch) {
  const std::int64_t newest_before = fight.newest_epoch;
  ASSIGN_OR_CO_RETURN(const auto row, co_await stores.executions.read(fight.prey));
  bool moved = false;
  if (row.state == ExecutionState::kAssigned) {
    ASSIGN_OR_CO_RETURN(const auto started, co_await stores.executions.start(fight.prey, fight.instance, epoch, "ry"));
    moved = started.has_value();
    if (moved) ++fight.starts;
  } else if (!domain::is_final(row.state)) {
    ports::Advance step;
    step.id = fight.prey;
    step.epoch = epoch;
    step.from = {row.state};
    step.to = row.state == ExecutionState::kSubmitting ? ExecutionState::kQueued
              : row.state == ExecutionState::kQueued   ? ExecutionState::kRunning
                                                       : ExecutionState::kFailed;
    const ExecutionState to = step.to;
    ASSIGN_OR_CO_RETURN(const auto advanced, co_await stores.executions.advance(std::move(step)));
    moved = advanced.has_value();
    if (moved) ++fight.moves[to];
  }
  if (moved && epoch.value < newest_before) {
    fight.violations.push_back("epoch " + to_string(epoch) + " moved it after epoch " + std::to_string(newest_before));
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> fighter(Fight& fight, Stores stores, std::string name) {
  ports::BridgeIdentity who;
  who.owner = name;
  who.address = name + ":7001";
  ports::Epoch mine;
  for (int round = 0; round < 12; ++round) {
    fight.world.expire_lease(fight.instance);
    ASSIGN_OR_CO_RETURN(const auto leases, co_await stores.executions.acquire(who, absl::Seconds(60), 1));
    for (const auto& lease : leases) {
      if (!fight.epochs.insert(lease.epoch.value).second) fight.violations.push_back("one epoch was given to two");
      fight.newest_epoch = std::max(fight.newest_epoch, lease.epoch.value);
      mine = lease.epoch;
    }
    if (!mine) continue;
    CO_RETURN_IF_ERROR(co_await fight_step(fight, stores, mine));
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> let_them_fight(Fight& fight) {
  base::Group group(fight.world.strand());
  for (int client = 0; client < 4; ++client) {
    group.spawn(fighter(fight, fight.world.client(client), "bridge-" + std::to_string(client)));
  }
  co_return co_await group.join();
}

TEST_P(StoreSuite, RacedTakeoversLeaveNoStaleWriter) {
  const ports::InstanceId instance = add_instance("gpu-1");
  for (int round = 0; round < 5; ++round) {
    Fight fight(world());
    fight.instance = instance;
    fight.prey = claim(submit(), instance);
    const absl::Status status = await(let_them_fight(fight));
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(fight.violations.empty()) << fight.violations.front();
    EXPECT_EQ(fight.starts, 1) << "assigned is left once";
    for (const auto& [to, times] : fight.moves) EXPECT_EQ(times, 1) << domain::to_string(to);
    EXPECT_GE(fight.epochs.size(), 2u);
    // Give the slot back for the next round.
    world().expire_lease(instance);
    const ports::Lease lease = acquire(instance, "bridge-9");
    if (!domain::is_final(execution(fight.prey).state)) end(fight.prey, lease, ExecutionState::kLost);
  }
}

struct Feed {
  explicit Feed(StoreWorld& w) : world(w) {}
  StoreWorld& world;
  int writers = 0;
  std::vector<ports::JobEvent> seen;
};

base::Task<absl::Status> write_much(Feed& feed, Stores stores, std::vector<ports::NewJob> jobs) {
  for (const auto& job : jobs) {
    ports::NewJob copy = job;
    ASSIGN_OR_CO_RETURN(const auto submitted, co_await stores.jobs.submit(std::move(copy)));
    const auto wished = co_await stores.jobs.request_cancel(submitted.id, job.user);
    CO_RETURN_IF_ERROR(wished.status());
    const auto cancelled = co_await stores.dispatch.cancel_wished(3);
    CO_RETURN_IF_ERROR(cancelled.status());
  }
  --feed.writers;
  co_return absl::OkStatus();
}

// The position scheme, step by step.
base::Task<absl::Status> tail(Feed& feed, Stores stores) {
  std::int64_t settled = 0;
  std::int64_t cursor = 0;
  while (true) {
    const bool last_round = feed.writers == 0;
    ASSIGN_OR_CO_RETURN(const std::int64_t issued, co_await stores.events.last_issued_id());
    if (issued > settled) {
      ASSIGN_OR_CO_RETURN(const std::uint64_t fresh, co_await stores.events.fresh_transaction_id());
      while (true) {
        ASSIGN_OR_CO_RETURN(const std::uint64_t oldest, co_await stores.events.oldest_running_transaction_id());
        if (oldest >= fresh) break;
      }
      settled = issued;
    }
    while (cursor < settled) {
      ASSIGN_OR_CO_RETURN(const auto events, co_await stores.events.read(cursor, settled, 10));
      feed.seen.insert(feed.seen.end(), events.begin(), events.end());
      cursor = events.size() < 10 ? settled : events.back().id;
    }
    if (last_round) co_return absl::OkStatus();
  }
}

base::Task<absl::Status> tail_beside_writers(Feed& feed, std::vector<std::vector<ports::NewJob>> jobs) {
  base::Group group(feed.world.strand());
  group.spawn(tail(feed, feed.world.client(7)));
  int client = 0;
  for (auto& some : jobs) group.spawn(write_much(feed, feed.world.client(client++), std::move(some)));
  co_return co_await group.join();
}

TEST_P(StoreSuite, RacedWritersHideNothingFromATailer) {
  std::vector<std::vector<ports::NewJob>> jobs_to_write(kClients);
  for (auto& some : jobs_to_write) {
    for (int i = 0; i < 25; ++i) some.push_back(new_job());
  }
  Feed feed(world());
  feed.writers = kClients;
  const absl::Status status = await(tail_beside_writers(feed, jobs_to_write));
  ASSERT_TRUE(status.ok()) << status;
  const auto log = must(event_log().read(0, must(event_log().last_issued_id()), 1000000));
  ASSERT_EQ(feed.seen.size(), log.size());
  std::map<ports::JobId, int> last_seq;
  for (std::size_t i = 0; i < log.size(); ++i) {
    EXPECT_EQ(feed.seen[i].id, log[i].id);
    EXPECT_EQ(feed.seen[i].seq, ++last_seq[feed.seen[i].job_id]) << "job " << feed.seen[i].job_id;
  }
  EXPECT_EQ(last_seq.size(), static_cast<std::size_t>(kClients) * 25);
}

}  // namespace
}  // namespace renderyard::conformance
