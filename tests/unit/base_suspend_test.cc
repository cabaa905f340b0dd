// suspend(), Completer, Event and BoundedQueue: who wakes whom, and that cancellation is a level.
#include <absl/status/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/this_coro.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/base/bounded_queue.h"
#include "libs/common/base/event.h"
#include "libs/common/base/status_macros.h"
#include "tests/unit/base_process.h"

namespace renderyard::base {
namespace {

using ::testing::ElementsAre;
using Completers = std::vector<Completer<absl::Status>>;

// Waits once and leaves the right to end the wait with the test.
Task<absl::Status> wait_once(Strand& strand, Completers& completers) {
  auto start = [&completers](Completer<absl::Status> completer) { completers.push_back(completer); };
  co_return co_await suspend<absl::Status>(strand, start);
}

TEST(SuspendTest, TheFirstCompletionWins) {
  OneProcess one;
  Completers completers;
  std::optional<absl::Status> done;
  one.start(wait_once(one.strand(), completers), &done);
  one.settle();
  ASSERT_EQ(completers.size(), 1u);
  EXPECT_FALSE(done);
  EXPECT_TRUE(completers[0].pending());
  EXPECT_EQ(one.strand().waiting(), 1u);
  EXPECT_TRUE(completers[0].complete(absl::NotFoundError("first")));
  EXPECT_FALSE(completers[0].pending());
  EXPECT_FALSE(completers[0].complete(absl::OkStatus()));
  EXPECT_FALSE(done) << "the waiter runs on the strand, not inside complete()";
  one.settle();
  ASSERT_TRUE(done);
  EXPECT_TRUE(absl::IsNotFound(*done));
  EXPECT_EQ(one.strand().waiting(), 0u);
}

TEST(SuspendTest, PostCompletesOnTheStrand) {
  OneProcess one;
  Completers completers;
  std::optional<absl::Status> done;
  one.start(wait_once(one.strand(), completers), &done);
  one.settle();
  completers[0].post(absl::OkStatus());
  EXPECT_TRUE(completers[0].pending()) << "not before the strand runs";
  one.settle();
  EXPECT_TRUE(done && done->ok());
}

TEST(SuspendTest, ACompleterOutlivesItsProcess) {
  Completers completers;
  std::optional<absl::Status> done;
  {
    OneProcess one;
    one.start(wait_once(one.strand(), completers), &done);
    one.settle();
    one.world().kill(one.process());
    EXPECT_FALSE(completers[0].pending());
    EXPECT_FALSE(completers[0].complete(absl::OkStatus()));
  }
  EXPECT_FALSE(completers[0].complete(absl::OkStatus()));
  completers[0].post(absl::OkStatus());
  EXPECT_FALSE(done);
}

TEST(SuspendTest, DropAllDestroysWaitersWithoutRunningThem) {
  OneProcess one;
  Completers completers;
  std::optional<absl::Status> done;
  one.start(wait_once(one.strand(), completers), &done);
  one.settle();
  one.strand().drop_all();
  one.settle();
  EXPECT_FALSE(completers[0].pending());
  EXPECT_FALSE(done);
}

Task<absl::Status> wait_three_times(Strand& strand, Completers& completers, std::vector<absl::StatusCode>& seen) {
  for (int i = 0; i < 3; ++i) {
    const absl::Status status = co_await wait_once(strand, completers);
    seen.push_back(status.code());
  }
  co_await boost::asio::this_coro::reset_cancellation_state();
  const absl::Status cleaned_up = co_await wait_once(strand, completers);
  seen.push_back(cleaned_up.code());
  co_return absl::OkStatus();
}

TEST(SuspendTest, CancellationIsALevelUntilItIsReset) {
  OneProcess one;
  Completers completers;
  std::vector<absl::StatusCode> seen;
  Group group(one.strand());
  group.spawn(wait_three_times(one.strand(), completers, seen));
  one.settle();
  ASSERT_EQ(completers.size(), 1u);
  group.cancel();
  one.settle();
  const auto cancelled = absl::StatusCode::kCancelled;
  EXPECT_THAT(seen, ElementsAre(cancelled, cancelled, cancelled)) << "also of waits that begin later";
  ASSERT_EQ(completers.size(), 2u) << "a cancelled wait does not begin; after the reset one does";
  EXPECT_FALSE(completers[0].pending());
  completers[1].complete(absl::OkStatus());
  one.settle();
  EXPECT_THAT(seen, ElementsAre(cancelled, cancelled, cancelled, absl::StatusCode::kOk));
  EXPECT_EQ(group.live(), 0u);
}

Task<absl::Status> wait_for(Event& event, absl::Time deadline) {
  co_return co_await event.wait_until(deadline);
}

TEST(EventTest, WakesEverybodyWhoWaits) {
  OneProcess one;
  Event event(one.strand(), one.clock());
  std::optional<absl::Status> first;
  std::optional<absl::Status> second;
  one.start(wait_for(event, absl::InfiniteFuture()), &first);
  one.start(wait_for(event, one.in(absl::Seconds(5))), &second);
  one.settle();
  EXPECT_FALSE(first || second);
  event.notify();
  one.settle();
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(first->ok() && second->ok());
  EXPECT_EQ(one.elapsed(), absl::ZeroDuration());
}

TEST(EventTest, ANotifyWithoutWaiterIsRememberedOnce) {
  OneProcess one;
  Event event(one.strand(), one.clock());
  event.notify();
  event.notify();
  EXPECT_TRUE(one.run(wait_for(event, absl::InfiniteFuture())).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(one.run(wait_for(event, one.in(absl::Seconds(3))))));
  EXPECT_EQ(one.elapsed(), absl::Seconds(3));
}

TEST(EventTest, AWaitThatTimedOutDoesNotSwallowAWakeUp) {
  OneProcess one;
  Event event(one.strand(), one.clock());
  EXPECT_TRUE(absl::IsDeadlineExceeded(one.run(wait_for(event, one.in(absl::Seconds(1))))));
  event.notify();
  EXPECT_TRUE(one.run(wait_for(event, one.in(absl::Seconds(1)))).ok());
  EXPECT_EQ(one.elapsed(), absl::Seconds(1));
}

TEST(EventTest, ADeadlineThatHasPassedDoesNotWait) {
  OneProcess one;
  Event event(one.strand(), one.clock());
  EXPECT_TRUE(absl::IsDeadlineExceeded(one.run(wait_for(event, one.in(absl::ZeroDuration())))));
  event.notify();
  EXPECT_TRUE(one.run(wait_for(event, one.in(-absl::Seconds(1)))).ok()) << "but a remembered wake-up counts";
}

TEST(EventTest, ACancelledWaiterSaysSo) {
  OneProcess one;
  Event event(one.strand(), one.clock());
  Group group(one.strand());
  std::optional<absl::Status> done;
  group.spawn(wait_for(event, absl::InfiniteFuture()));
  one.settle();
  group.cancel();
  one.start(group.join(), &done);
  one.settle();
  ASSERT_TRUE(done);
  EXPECT_TRUE(absl::IsCancelled(*done));
  event.notify();
  EXPECT_TRUE(one.run(wait_for(event, absl::InfiniteFuture())).ok()) << "nobody was woken, so it is remembered";
}

Task<absl::Status> wait_cancelled(Event& event, Completers& completers, Strand& strand,
                                  std::vector<absl::StatusCode>& seen, Clock& clock) {
  const absl::Status first = co_await wait_once(strand, completers);
  seen.push_back(first.code());
  event.notify();
  const absl::Time past = clock.now();
  const absl::Status passed = co_await event.wait_until(past);
  seen.push_back(passed.code());
  const absl::Status remembered = co_await event.wait_until(absl::InfiniteFuture());
  seen.push_back(remembered.code());
  co_return remembered;
}

TEST(EventTest, InACancelledCoroutineNothingComesBeforeCancelled) {
  OneProcess one;
  Event event(one.strand(), one.clock());
  Completers completers;
  std::vector<absl::StatusCode> seen;
  Group group(one.strand());
  group.spawn(wait_cancelled(event, completers, one.strand(), seen, one.clock()));
  one.settle();
  group.cancel();
  one.settle();
  const auto cancelled = absl::StatusCode::kCancelled;
  EXPECT_THAT(seen, ElementsAre(cancelled, cancelled, cancelled)) << "neither the deadline nor the wake-up";
  EXPECT_TRUE(one.run(wait_for(event, absl::InfiniteFuture())).ok()) << "the wake-up was left for the next";
}

Task<absl::Status> notify_and_cancel(Event& event, Group& group) {
  event.notify();
  group.cancel();
  co_return co_await group.join();
}

TEST(EventTest, WhoIsCancelledBetweenWakeUpAndRunningLeavesTheWakeUp) {
  OneProcess one;
  Event event(one.strand(), one.clock());
  Group group(one.strand());
  std::optional<absl::Status> done;
  group.spawn(wait_for(event, one.in(absl::Seconds(5))));
  one.settle();
  one.start(notify_and_cancel(event, group), &done);
  one.settle();
  ASSERT_TRUE(done);
  EXPECT_TRUE(absl::IsCancelled(*done)) << *done;
  EXPECT_TRUE(one.run(wait_for(event, absl::InfiniteFuture())).ok());
  EXPECT_EQ(one.elapsed(), absl::ZeroDuration());
}

using Queue = BoundedQueue<std::unique_ptr<std::string>>;

Task<absl::Status> pop_into(Queue& queue, absl::Time deadline, std::vector<std::string>& out) {
  ASSIGN_OR_CO_RETURN(std::optional<std::unique_ptr<std::string>> item, co_await queue.pop(deadline));
  out.push_back(item ? **item : "end");
  co_return absl::OkStatus();
}

std::unique_ptr<std::string> text(std::string value) {
  return std::make_unique<std::string>(std::move(value));
}

TEST(BoundedQueueTest, IsInOrderAndRefusesWhenFull) {
  OneProcess one;
  Queue queue(one.strand(), one.clock(), 2);
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.try_push(text("a")));
  EXPECT_TRUE(queue.try_push(text("b")));
  EXPECT_FALSE(queue.try_push(text("c")));
  EXPECT_EQ(queue.size(), 2u);
  std::vector<std::string> out;
  EXPECT_TRUE(one.run(pop_into(queue, absl::InfiniteFuture(), out)).ok());
  EXPECT_TRUE(queue.try_push(text("d")));
  EXPECT_TRUE(one.run(pop_into(queue, absl::InfiniteFuture(), out)).ok());
  EXPECT_TRUE(one.run(pop_into(queue, absl::InfiniteFuture(), out)).ok());
  EXPECT_THAT(out, ElementsAre("a", "b", "d"));
}

TEST(BoundedQueueTest, MayForgetTheOldest) {
  OneProcess one;
  Queue queue(one.strand(), one.clock(), 2);
  EXPECT_FALSE(queue.push_dropping_oldest(text("a")));
  EXPECT_FALSE(queue.push_dropping_oldest(text("b")));
  EXPECT_TRUE(queue.push_dropping_oldest(text("c")));
  std::vector<std::string> out;
  EXPECT_TRUE(one.run(pop_into(queue, absl::InfiniteFuture(), out)).ok());
  EXPECT_TRUE(one.run(pop_into(queue, absl::InfiniteFuture(), out)).ok());
  EXPECT_THAT(out, ElementsAre("b", "c"));
}

TEST(BoundedQueueTest, AConsumerThatWaitsIsWoken) {
  OneProcess one;
  Queue queue(one.strand(), one.clock(), 2);
  std::vector<std::string> out;
  std::optional<absl::Status> done;
  one.start(pop_into(queue, one.in(absl::Seconds(9)), out), &done);
  one.settle();
  EXPECT_FALSE(done);
  EXPECT_TRUE(queue.try_push(text("a")));
  one.settle();
  EXPECT_TRUE(done && done->ok());
  EXPECT_THAT(out, ElementsAre("a"));
  EXPECT_TRUE(absl::IsDeadlineExceeded(one.run(pop_into(queue, one.in(absl::Seconds(2)), out))));
  EXPECT_EQ(one.elapsed(), absl::Seconds(2));
}

TEST(BoundedQueueTest, CloseDeliversWhatIsThereThenTheEnd) {
  OneProcess one;
  Queue regular(one.strand(), one.clock(), 4);
  std::vector<std::string> out;
  EXPECT_TRUE(regular.try_push(text("a")));
  regular.close();
  regular.close(absl::DataLossError("the first close counts"));
  EXPECT_TRUE(regular.closed());
  EXPECT_FALSE(regular.try_push(text("b")));
  EXPECT_FALSE(regular.push_dropping_oldest(text("b")));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(one.run(pop_into(regular, absl::InfiniteFuture(), out)).ok());
  EXPECT_THAT(out, ElementsAre("a", "end", "end"));

  Queue broken(one.strand(), one.clock(), 4);
  std::optional<absl::Status> done;
  one.start(pop_into(broken, absl::InfiniteFuture(), out), &done);
  one.settle();
  broken.close(absl::DataLossError("broken"));
  one.settle();
  ASSERT_TRUE(done);
  EXPECT_TRUE(absl::IsDataLoss(*done));
}

}  // namespace
}  // namespace renderyard::base
