// Group and with_deadline: children live no longer than their parent, the first error ends the others, a deadline waits
// for the work to notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "libs/common/base/event.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/base/turns.h"
#include "tests/unit/base_process.h"

namespace renderyard::base {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;
using Log = std::vector<std::string>;

Task<absl::Status> sleep_then(Clock& clock, absl::Duration d, absl::Status result, Log& log, std::string name) {
  const absl::Status slept = co_await clock.sleep_for(d);
  log.push_back(name + (slept.ok() ? " slept" : " cancelled"));
  if (!slept.ok()) co_return slept;
  co_return result;
}

// Needs time after its cancellation, like a regular close of a socket.
Task<absl::Status> slow_to_stop(Clock& clock, Log& log) {
  const absl::Status slept = co_await clock.sleep_for(absl::Hours(10));
  co_await boost::asio::this_coro::reset_cancellation_state();
  const absl::Status cleaned = co_await clock.sleep_for(absl::Seconds(2));
  log.push_back(cleaned.ok() ? "cleaned up" : "torn");
  co_return slept;
}

Task<absl::Status> throws() {
  throw std::runtime_error("a library threw");
  co_return absl::OkStatus();
}

Task<absl::Status> say(Log& log, std::string what) {
  log.push_back(std::move(what));
  co_return absl::OkStatus();
}

Task<absl::Status> join(Group& group) {
  co_return co_await group.join();
}

TEST(GroupTest, JoinWaitsForAll) {
  OneProcess one;
  Log log;
  Group group(one.strand());
  group.spawn(sleep_then(one.clock(), absl::Seconds(2), absl::OkStatus(), log, "a"));
  group.spawn(sleep_then(one.clock(), absl::Seconds(1), absl::OkStatus(), log, "b"));
  EXPECT_EQ(group.live(), 2u);
  EXPECT_TRUE(one.run(join(group)).ok());
  EXPECT_THAT(log, ElementsAre("b slept", "a slept"));
  EXPECT_EQ(group.live(), 0u);
  EXPECT_EQ(one.elapsed(), absl::Seconds(2));
  EXPECT_TRUE(one.run(join(group)).ok()) << "an empty group has nothing to wait for";
}

TEST(GroupTest, TheFirstErrorCancelsTheOthers) {
  OneProcess one;
  Log log;
  Group group(one.strand());
  group.spawn(sleep_then(one.clock(), absl::Hours(10), absl::OkStatus(), log, "a"));
  group.spawn(sleep_then(one.clock(), absl::Seconds(1), absl::DataLossError("first"), log, "b"));
  group.spawn(sleep_then(one.clock(), absl::Seconds(3), absl::NotFoundError("second"), log, "c"));
  const absl::Status status = one.run(join(group));
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(log, UnorderedElementsAre("b slept", "a cancelled", "c cancelled"));
  EXPECT_EQ(one.elapsed(), absl::Seconds(1));
}

TEST(GroupTest, AnIsolatedChildEndsOnlyItself) {
  OneProcess one;
  Log log;
  Group group(one.strand());
  group.spawn(sleep_then(one.clock(), absl::Seconds(2), absl::OkStatus(), log, "a"));
  group.spawn_isolated(sleep_then(one.clock(), absl::Seconds(1), absl::DataLossError("mine"), log, "b"));
  EXPECT_TRUE(one.run(join(group)).ok());
  EXPECT_THAT(log, ElementsAre("b slept", "a slept"));
}

TEST(GroupTest, JoinWaitsForWhoIsSlowToStop) {
  OneProcess one;
  Log log;
  Group group(one.strand());
  group.spawn(slow_to_stop(one.clock(), log));
  one.settle();
  group.cancel();
  EXPECT_TRUE(absl::IsCancelled(one.run(join(group))));
  EXPECT_THAT(log, ElementsAre("cleaned up"));
  EXPECT_EQ(one.elapsed(), absl::Seconds(2));
}

TEST(GroupTest, AChildOfACancelledGroupIsCancelled) {
  OneProcess one;
  Log log;
  Group group(one.strand());
  group.cancel();
  group.spawn_isolated(sleep_then(one.clock(), absl::Hours(1), absl::OkStatus(), log, "late"));
  EXPECT_TRUE(one.run(join(group)).ok()) << "an isolated child's CANCELLED is its own";
  EXPECT_THAT(log, ElementsAre("late cancelled"));
  EXPECT_EQ(one.elapsed(), absl::ZeroDuration());
}

TEST(GroupTest, AChildMayBeCancelledBeforeItsFirstLine) {
  OneProcess one;
  Log log;
  Group group(one.strand());
  group.spawn_isolated(sleep_then(one.clock(), absl::Hours(1), absl::OkStatus(), log, "early"));
  group.cancel();
  EXPECT_TRUE(one.run(join(group)).ok());
  EXPECT_THAT(log, ElementsAre("early cancelled"));
  EXPECT_EQ(one.elapsed(), absl::ZeroDuration());
}

TEST(GroupTest, AnExceptionIsAnErrorOfTheChild) {
  OneProcess one;
  Group group(one.strand());
  group.spawn(throws());
  const absl::Status status = one.run(join(group));
  EXPECT_TRUE(absl::IsInternal(status)) << status;
}

Task<absl::Status> parent(OneProcess& one, Log& log) {
  Group group(one.strand());
  group.spawn(sleep_then(one.clock(), absl::Hours(10), absl::OkStatus(), log, "grandchild"));
  const absl::Status status = co_await group.join();
  log.push_back(absl::IsCancelled(status) ? "parent cancelled" : "parent ended");
  co_return status;
}

TEST(GroupTest, ACancelledParentHandsItOn) {
  OneProcess one;
  Log log;
  Group group(one.strand());
  group.spawn(parent(one, log));
  one.settle();
  group.cancel();
  EXPECT_TRUE(absl::IsCancelled(one.run(join(group))));
  EXPECT_THAT(log, ElementsAre("grandchild cancelled", "parent cancelled"));
}

Task<absl::Status> bounded(OneProcess& one, Task<absl::Status> work, absl::Duration limit) {
  const absl::Time deadline = one.in(limit);
  co_return co_await with_deadline(one.strand(), one.clock(), std::move(work), deadline);
}

TEST(WithDeadlineTest, WorkInTimeGivesItsResult) {
  OneProcess one;
  Log log;
  auto good = sleep_then(one.clock(), absl::Seconds(1), absl::OkStatus(), log, "good");
  EXPECT_TRUE(one.run(bounded(one, std::move(good), absl::Seconds(5))).ok());
  auto bad = sleep_then(one.clock(), absl::Seconds(1), absl::DataLossError("mine"), log, "bad");
  EXPECT_TRUE(absl::IsDataLoss(one.run(bounded(one, std::move(bad), absl::Seconds(5)))));
  EXPECT_EQ(one.elapsed(), absl::Seconds(2)) << "nobody waits for the timer";
  EXPECT_EQ(one.world().next_at(), absl::InfiniteFuture()) << "the timer is gone";
}

TEST(WithDeadlineTest, LateWorkIsCancelledAndWaitedFor) {
  OneProcess one;
  Log log;
  EXPECT_TRUE(absl::IsDeadlineExceeded(one.run(bounded(one, slow_to_stop(one.clock(), log), absl::Seconds(5)))));
  EXPECT_THAT(log, ElementsAre("cleaned up"));
  EXPECT_EQ(one.elapsed(), absl::Seconds(7));
}

TEST(WithDeadlineTest, ACancelledCallerIsNoDeadline) {
  OneProcess one;
  Log log;
  Group group(one.strand());
  auto work = sleep_then(one.clock(), absl::Hours(1), absl::OkStatus(), log, "work");
  group.spawn(bounded(one, std::move(work), absl::Minutes(30)));
  one.settle();
  group.cancel();
  EXPECT_TRUE(absl::IsCancelled(one.run(join(group))));
  EXPECT_THAT(log, ElementsAre("work cancelled"));
  EXPECT_EQ(one.elapsed(), absl::ZeroDuration());
}

Task<absl::Status> wait_for_ever(Strand& strand, std::thread::id& woken_on) {
  auto start = [](const Completer<absl::Status>&) {};
  const absl::Status status = co_await suspend<absl::Status>(strand, start);
  woken_on = std::this_thread::get_id();
  co_return status;
}

// Another thread may ask, and touches nothing that the strand's own thread may be using.
TEST(GroupTest, ACancelFromAnotherThreadTakesEffectOnTheStrand) {
  boost::asio::io_context io{1};
  Strand strand(io.get_executor());
  std::thread::id woken_on;
  {
    Group group(strand);
    group.spawn(wait_for_ever(strand, woken_on));
    io.poll();
    ASSERT_EQ(strand.waiting(), 1u);
    std::thread([&group] { group.cancel(); }).join();
    EXPECT_EQ(strand.waiting(), 1u) << "the other thread has ended the wait itself";
    io.restart();
    io.poll();
    EXPECT_EQ(woken_on, std::this_thread::get_id());
    EXPECT_EQ(group.live(), 0u);
  }
  EXPECT_EQ(strand.waiting(), 0u);
}

// Asked from elsewhere, on its way while the child ends by itself and the group goes: there is nothing left to stop.
TEST(GroupTest, ACancelThatComesTooLateFindsNothing) {
  boost::asio::io_context io{1};
  Strand strand(io.get_executor());
  Log log;
  {
    Group group(strand);
    group.spawn(say(log, "ended"));
    std::thread([&group] { group.cancel(); }).join();
    std::thread([&group] { group.cancel(); }).join();
    io.poll();
    EXPECT_EQ(group.live(), 0u);
    std::thread([&group] { group.cancel(); }).join();
  }
  io.restart();
  EXPECT_EQ(io.poll(), 1u) << "the cancel that came after the group's end";
  EXPECT_THAT(log, ElementsAre("ended"));
}

// Death is not cancellation: no line of the children runs.
TEST(GroupTest, DeathRunsNothing) {
  OneProcess one;
  Log log;
  std::optional<absl::Status> done;
  one.start(parent(one, log), &done);
  one.settle();
  one.world().kill(one.process());
  one.world().run_to(one.world().now() + absl::Hours(20));
  EXPECT_TRUE(log.empty());
  EXPECT_FALSE(done);
}

TEST(SpawnRootTest, ReportsTheEnd) {
  OneProcess one;
  Log log;
  EXPECT_TRUE(one.run(say(log, "hello")).ok());
  EXPECT_THAT(log, ElementsAre("hello"));
  EXPECT_TRUE(absl::IsInternal(one.run(throws())));
}

// One who holds a turn until `until`.
Task<absl::Status> take_a_turn(OneProcess& process, Turns& turns, absl::Duration lasts, int& most, int places) {
  CO_RETURN_IF_ERROR(co_await turns.wait(absl::InfiniteFuture()));
  const Turns::Turn turn(turns);
  most = std::max(most, places - turns.free());
  co_return co_await process.clock().sleep_for(lasts);
}

TEST(TurnsTest, NoMoreThanSoManyAtOnceAndAllInTheEnd) {
  OneProcess process;
  Turns turns(process.strand(), process.clock(), 3);
  int most = 0;
  std::vector<std::optional<absl::Status>> done(10);
  for (auto& one : done) process.start(take_a_turn(process, turns, absl::Seconds(1), most, 3), &one);
  process.world().run_to(process.in(absl::Seconds(60)));
  for (const auto& one : done) EXPECT_EQ(one, absl::OkStatus());
  EXPECT_EQ(most, 3);
  EXPECT_EQ(turns.free(), 3);
}

TEST(TurnsTest, WhoWaitsTooLongTakesNone) {
  OneProcess process;
  Turns turns(process.strand(), process.clock(), 1);
  EXPECT_EQ(process.run(turns.wait(absl::InfiniteFuture())), absl::OkStatus());
  EXPECT_TRUE(absl::IsDeadlineExceeded(process.run(turns.wait(process.in(absl::Seconds(1))))));
  EXPECT_EQ(turns.free(), 0);
}

}  // namespace
}  // namespace renderyard::base
