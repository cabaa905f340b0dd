#include "services/bridge/progress_feed.h"

#include <gtest/gtest.h>

#include <vector>

#include "libs/common/testing/sim/process.h"
#include "libs/common/testing/sim/world.h"

namespace renderyard::bridge {
namespace {

using testing::sim::Process;
using testing::sim::World;

class ProgressFeedTest : public ::testing::Test {
 protected:
  ProgressFeedTest()
      : process_(world_.start("bridge")), feed_(process_.make<ProgressFeed>(process_.strand(), process_.clock())) {}

  void publish(std::int64_t execution, int percent) {
    ports::Progress progress;
    progress.execution_id = base::ExecutionId{execution};
    progress.percent = percent;
    feed_.publish(progress);
  }

  using Seen = std::vector<std::pair<std::int64_t, int>>;

  static base::Task<absl::Status> collect(base::Stream<ports::Progress>& stream, Seen& into) {
    for (;;) {
      auto next = co_await stream.next();
      if (!next.ok()) co_return next.status();
      into.emplace_back((*next)->execution_id.value, (*next)->percent);
    }
  }

  Seen& watch() {
    auto& stream = process_.own(std::shared_ptr<base::Stream<ports::Progress>>(feed_.watch()));
    auto& seen = process_.make<Seen>();
    process_.spawn(collect(stream, seen));
    return seen;
  }

  void settle() { world_.run_to(world_.now() + absl::Seconds(1)); }

  World world_{1};
  Process& process_;
  ProgressFeed& feed_;
};

TEST_F(ProgressFeedTest, BeginsWithTheLatestOfEachLiveExecution) {
  publish(1, 10);
  publish(2, 20);
  publish(1, 30);
  publish(3, 5);
  feed_.forget(base::ExecutionId{3});
  Seen& seen = watch();
  settle();
  EXPECT_EQ(seen, (Seen{{2, 20}, {1, 30}}));
}

TEST_F(ProgressFeedTest, ASlowWatcherGetsTheLatestAndNothingOlder) {
  Seen& seen = watch();
  settle();
  for (int percent = 1; percent <= 50; ++percent) publish(1, percent);
  settle();
  ASSERT_FALSE(seen.empty());
  EXPECT_LT(seen.size(), 50U);
  EXPECT_EQ(seen.back(), (std::pair<std::int64_t, int>{1, 50}));
}

TEST_F(ProgressFeedTest, EveryWatcherIsServed) {
  Seen& a = watch();
  Seen& b = watch();
  settle();
  publish(4, 44);
  settle();
  EXPECT_EQ(a, (Seen{{4, 44}}));
  EXPECT_EQ(b, a);
}

}  // namespace
}  // namespace renderyard::bridge
