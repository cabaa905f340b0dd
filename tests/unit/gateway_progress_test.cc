// Progress in feeds: never backwards, the latest only, ended with the job; and where it comes from.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/gateway_feed_stage.h"

namespace renderyard::gateway {
namespace {

TEST(GatewayProgressTest, ProgressNeverGoesBackwardsAndEndsWithTheJob) {
  Stage stage;
  stage.jobs_.bridges = {"b1", "b2"};
  const ports::JobId job = stage.jobs_.submit(kAnna);
  stage.jobs_.write(job, type::kStarted);
  stage.jobs_.rows.at(job).progress_percent = 20;
  stage.dispatchers_.settle_all();
  stage.start();
  auto feed = stage.subscribe(kAnna, SubscribeRequest());
  auto other = stage.subscribe(kBert, SubscribeRequest());
  stage.pass(absl::Seconds(1));
  const auto say = [&](const char* bridge, int percent, std::int64_t execution, std::int64_t epoch) {
    stage.bridges_.say(bridge, make_progress(job, kAnna, percent, execution, epoch));
    stage.pass(absl::Milliseconds(100));
  };
  say("b1", 10, 1, 1);  // lower than what the snapshot said
  say("b1", 40, 1, 1);
  say("b1", 30, 1, 1);  // backwards
  say("b2", 35, 1, 2);  // a new owner begins lower: shown at what was reached
  say("b1", 90, 1, 1);  // the old owner speaks on
  say("b2", 50, 1, 2);
  stage.jobs_.write(job, type::kCompleted);
  stage.dispatchers_.settle_all();
  stage.pass(absl::Seconds(1));
  say("b2", 60, 1, 2);  // late
  EXPECT_EQ(feed->percents(), (std::vector<int>{40, 40, 50}));
  EXPECT_TRUE(other->percents().empty());
}

TEST(GatewayProgressTest, WaitingProgressIsTheLatestAndStandsBeforeTheEnd) {
  Stage stage;
  stage.jobs_.bridges = {"b1"};
  const ports::JobId job = stage.jobs_.submit(kAnna);
  stage.dispatchers_.settle_all();
  stage.start();
  auto feed = stage.subscribe(kAnna, SubscribeRequest());
  stage.pass(absl::Seconds(1));
  feed.reader->paused = true;
  for (int percent = 1; percent <= 30; ++percent) {
    stage.bridges_.say("b1", make_progress(job, kAnna, percent));
    stage.pass(absl::Milliseconds(10));
  }
  stage.jobs_.write(job, type::kStarted);
  stage.jobs_.write(job, type::kCompleted);
  stage.dispatchers_.settle_all();
  stage.pass(absl::Seconds(1));
  stage.go_on(feed);
  stage.pass(absl::Seconds(1));
  // 1 went to the call that already waited; the others were one message, in front of the end.
  EXPECT_EQ(feed->percents(), (std::vector<int>{1, 30}));
  EXPECT_EQ(feed->messages.back().type, type::kCompleted);
}

TEST(GatewayProgressTest, ALateSubscriberGetsTheProgressThatIsKnown) {
  Stage stage;
  stage.jobs_.bridges = {"b1"};
  const ports::JobId job = stage.jobs_.submit(kAnna);
  stage.dispatchers_.settle_all();
  stage.start();
  stage.pass(absl::Seconds(2));
  stage.bridges_.say("b1", make_progress(job, kAnna, 42));
  stage.pass(absl::Seconds(1));
  auto feed = stage.subscribe(kAnna, SubscribeRequest());
  stage.pass(absl::Seconds(1));
  ASSERT_EQ(feed->messages.front().jobs.size(), 1u);
  EXPECT_EQ(feed->messages.front().jobs[0].progress_percent, 42);
  EXPECT_EQ(feed->percents(), (std::vector<int>{42}));
}

TEST(GatewayProgressTest, BridgesAreFoundAndReopened) {
  Stage stage;
  stage.jobs_.bridges = {"b1"};
  stage.start();
  stage.pass(absl::Seconds(1));
  stage.jobs_.bridges = {"b2"};
  stage.pass(absl::Seconds(2));
  stage.bridges_.break_streams();
  stage.pass(absl::Milliseconds(500));
  EXPECT_EQ(stage.bridges_.opened, (std::vector<std::string>{"b1", "b2", "b2"}));
  EXPECT_EQ(stage.progress_->bridges(), 1u);
}

}  // namespace
}  // namespace renderyard::gateway
