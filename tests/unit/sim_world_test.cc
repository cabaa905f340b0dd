// The simulation kernel: the same seed is the same run, a kill at any step leaves nothing behind (the sanitizer build
// proves the latter), SIGSTOP holds everything, timers run in order.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/base/bounded_queue.h"
#include "libs/common/base/event.h"
#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/testing/sim/process.h"
#include "libs/common/testing/sim/world.h"

namespace renderyard::testing::sim {
namespace {

using base::Task;

// A service with everything ours have: a group, children that fail and are cancelled, deadlines, queues, events.
class Busy {
 public:
  explicit Busy(Process& process, int* alive)
      : process_(process), queue_(process.strand(), process.clock(), 4), alive_(alive) {
    ++*alive_;
  }
  ~Busy() { --*alive_; }

  Task<absl::Status> run() {
    base::Group group(process_.strand());
    group.spawn(produce());
    group.spawn(consume());
    group.spawn_isolated(quarrel());
    co_return co_await group.join();
  }

 private:
  Task<absl::Status> produce() {
    for (int i = 0;; ++i) {
      const absl::Duration pause = process_.random().jitter(absl::Milliseconds(3));
      CO_RETURN_IF_ERROR(co_await process_.clock().sleep_for(pause));
      queue_.push_dropping_oldest(std::make_shared<std::string>("item " + std::to_string(i)));
    }
  }
  Task<absl::Status> consume() {
    for (;;) {
      const absl::Time deadline = process_.clock().now() + absl::Milliseconds(2);
      auto item = co_await queue_.pop(deadline);
      if (absl::IsCancelled(item.status())) co_return item.status();
      if (item.ok()) process_.journal().info("item", {{"text", ***item}});
    }
  }
  Task<absl::Status> quarrel() {
    for (;;) {
      const absl::Time deadline = process_.clock().now() + absl::Milliseconds(5);
      Task<absl::Status> work = fight();
      const absl::Status status =
          co_await base::with_deadline(process_.strand(), process_.clock(), std::move(work), deadline);
      if (absl::IsCancelled(status)) co_return status;
    }
  }
  Task<absl::Status> fight() {
    base::Group group(process_.strand());
    group.spawn(lose(absl::Milliseconds(1)));
    group.spawn(lose(absl::Milliseconds(7)));
    co_return co_await group.join();
  }
  Task<absl::Status> lose(absl::Duration after) {
    const absl::Duration pause = after + process_.random().jitter(after);
    CO_RETURN_IF_ERROR(co_await process_.clock().sleep_for(pause));
    co_return absl::AbortedError("lost");
  }

  Process& process_;
  base::BoundedQueue<std::shared_ptr<std::string>> queue_;
  int* alive_;
};

Process& start_busy(World& world, const std::string& name, int* alive) {
  Process& process = world.start(name);
  Busy& busy = process.make<Busy>(process, alive);
  process.spawn(busy.run());
  return process;
}

std::uint64_t run_busy(std::uint64_t seed, int steps) {
  int alive = 0;
  World world(seed);
  start_busy(world, "a", &alive);
  start_busy(world, "b", &alive);
  for (int i = 0; i < steps; ++i) world.step();
  return world.trace().hash();
}

TEST(World, SameSeedSameHash) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(run_busy(seed, 2000), run_busy(seed, 2000)) << seed;
}

TEST(World, OtherSeedOtherHash) {
  EXPECT_NE(run_busy(1, 2000), run_busy(2, 2000));
}

TEST(World, RecordingChangesNothing) {
  int alive = 0;
  World world(3);
  world.trace().record(100);
  start_busy(world, "a", &alive);
  start_busy(world, "b", &alive);
  for (int i = 0; i < 2000; ++i) world.step();
  EXPECT_EQ(world.trace().hash(), run_busy(3, 2000));
  EXPECT_EQ(world.trace().lines().size(), 100u);
}

TEST(World, KillAtEveryStepDestroysEverything) {
  for (int kill_at = 0; kill_at < 600; ++kill_at) {
    int alive = 0;
    World world(static_cast<std::uint64_t>(kill_at));
    Process& victim = start_busy(world, "victim", &alive);
    start_busy(world, "other", &alive);
    for (int i = 0; i < kill_at; ++i) world.step();
    world.kill(victim);
    EXPECT_EQ(alive, 1) << kill_at;
    EXPECT_EQ(victim.strand().waiting(), 0u) << kill_at;
    start_busy(world, "victim", &alive);
    for (int i = 0; i < 200; ++i) world.step();
    EXPECT_EQ(alive, 2);
  }
}

TEST(World, StopHoldsJobsAndTimersUntilResume) {
  World world(1);
  Process& process = world.start("p");
  std::vector<std::string> seen;
  process.clock().call_at(world.begin() + absl::Seconds(1), [&] { seen.push_back("timer"); });
  process.deliver([&] { seen.push_back("job"); });
  world.stop(process);
  const auto cancelled =
      process.clock().call_at(world.begin() + absl::Seconds(2), [&] { seen.push_back("cancelled"); });
  world.at(world.begin() + absl::Seconds(3), [&] { process.deliver([&] { seen.push_back("late"); }); });
  world.run_to(world.begin() + absl::Seconds(10));
  EXPECT_TRUE(seen.empty());
  process.clock().cancel(cancelled);
  world.resume(process);
  world.run_to(world.begin() + absl::Seconds(11));
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<std::string>{"job", "late", "timer"}));
}

TEST(World, EqualTimersRunInOrderOfCreation) {
  World world(5);
  Process& process = world.start("p");
  std::vector<int> seen;
  const absl::Time when = world.begin() + absl::Seconds(1);
  for (int i = 0; i < 20; ++i) {
    process.clock().call_at(when, [&seen, i] { seen.push_back(i); });
  }
  world.run_to(when);
  std::vector<int> expected(20);
  for (int i = 0; i < 20; ++i) expected[static_cast<std::size_t>(i)] = i;
  EXPECT_EQ(seen, expected);
}

TEST(World, TheSeedPicksAmongReadyJobs) {
  std::vector<std::string> orders;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    World world(seed);
    std::string order;
    for (const char c : {'a', 'b', 'c'}) {
      world.start(std::string(1, c)).deliver([&order, c] { order.push_back(c); });
    }
    while (world.step()) {
    }
    orders.push_back(order);
  }
  std::sort(orders.begin(), orders.end());
  orders.erase(std::unique(orders.begin(), orders.end()), orders.end());
  EXPECT_EQ(orders.size(), 6u) << "20 seeds should show all orders of three jobs";
}

TEST(World, TimeMovesOnlyWhenNothingIsReady) {
  World world(1);
  Process& process = world.start("p");
  absl::Time at;
  world.after(absl::Seconds(5), [] {});
  process.deliver([&] { process.deliver([&] { at = process.clock().now(); }); });
  while (world.step()) {
  }
  EXPECT_EQ(at, world.begin());
  EXPECT_EQ(world.now(), world.begin() + absl::Seconds(5));
}

TEST(World, JobsForTheDeadAreDestroyed) {
  World world(1);
  Process& process = world.start("p");
  auto token = std::make_shared<int>(1);
  world.kill(process);
  process.deliver([token] { FAIL(); });
  EXPECT_EQ(token.use_count(), 1);
  while (world.step()) {
  }
}

}  // namespace
}  // namespace renderyard::testing::sim
