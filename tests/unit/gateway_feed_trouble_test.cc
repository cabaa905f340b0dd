// Feeds when something is slow, away, behind or restored: they wait, or end by name.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/gateway_feed_stage.h"

namespace renderyard::gateway {
namespace {

TEST(GatewayFeedTroubleTest, ASlowReaderIsEndedByName) {
  Stage stage;
  stage.feed_config_.max_events = 5;
  stage.start();
  auto slow = stage.subscribe(kAnna, SubscribeRequest());
  auto quick = stage.subscribe(kAnna, SubscribeRequest());
  stage.pass(absl::Seconds(1));
  slow.reader->paused = true;
  stage.jobs_.submit(kAnna);  // read by the call to next() that already waits; the one after it stands still
  stage.dispatchers_.settle_all();
  stage.pass(absl::Seconds(1));
  for (int i = 0; i < 8; ++i) {
    stage.jobs_.submit(kAnna);
    stage.dispatchers_.settle_all();
    stage.pass(absl::Milliseconds(10));
  }
  stage.go_on(slow);
  stage.pass(absl::Seconds(1));
  EXPECT_EQ(slow->error(), code::kSlowConsumer);
  EXPECT_TRUE(slow->ended);
  EXPECT_EQ(slow->event_ids().size(), 1u);
  EXPECT_EQ(quick->event_ids().size(), 9u);
  EXPECT_FALSE(quick->ended);
}

TEST(GatewayFeedTroubleTest, PositionsThatCannotBeServedAreNamed) {
  Stage stage;
  for (int i = 0; i < 10; ++i) stage.jobs_.submit(kAnna);
  stage.dispatchers_.settle_all();
  stage.jobs_.meta.events_floor = 4;
  stage.start();
  SubscribeRequest request;
  request.since = Position{"11111111-3f5c-4b0e-9d0e-6d5a0f6b7c11", 7}.text();
  auto other_database = stage.subscribe(kAnna, request);
  request.since = "what";
  auto no_position = stage.subscribe(kAnna, request);
  auto below_floor = stage.since(kAnna, 3);
  auto at_floor = stage.since(kAnna, 4);
  auto ahead = stage.since(kAnna, 11);
  stage.pass(absl::Seconds(30));
  EXPECT_EQ(other_database->error(), code::kPositionExpired);
  EXPECT_EQ(no_position->error(), code::kInvalidField);
  EXPECT_EQ(below_floor->error(), code::kPositionExpired);
  EXPECT_EQ(at_floor->event_ids().size(), 6u);
  EXPECT_EQ(ahead->error(), code::kPositionExpired);
}

TEST(GatewayFeedTroubleTest, APositionOfAGatewayThatIsAheadIsWaitedFor) {
  Stage stage;
  for (int i = 0; i < 5; ++i) stage.jobs_.submit(kAnna);
  stage.dispatchers_.settle(3);
  stage.start();
  auto feed = stage.since(kAnna, 4);
  stage.pass(absl::Seconds(2));
  EXPECT_TRUE(feed->messages.empty());
  stage.dispatchers_.settle(5);
  stage.pass(absl::Seconds(1));
  EXPECT_EQ(feed->event_ids(), (std::vector<std::int64_t>{5}));
}

TEST(GatewayFeedTroubleTest, ARestoredDatabaseEndsFeedsByName) {
  Stage stage;
  stage.start();
  auto feed = stage.subscribe(kAnna, SubscribeRequest());
  stage.pass(absl::Seconds(1));
  stage.jobs_.meta.epoch = "22222222-3f5c-4b0e-9d0e-6d5a0f6b7c11";
  stage.dispatchers_.break_streams();
  stage.pass(absl::Seconds(5));
  EXPECT_EQ(feed->error(), code::kPositionExpired);
  auto fresh = stage.subscribe(kAnna, SubscribeRequest());
  stage.pass(absl::Seconds(1));
  ASSERT_FALSE(fresh->messages.empty());
  EXPECT_EQ(fresh->messages.front().position->epoch, stage.jobs_.meta.epoch);
}

TEST(GatewayFeedTroubleTest, AnotherDispatcherTakesOverWithThePosition) {
  Stage stage;
  stage.start();
  auto feed = stage.subscribe(kAnna, SubscribeRequest());
  stage.pass(absl::Seconds(1));
  stage.jobs_.submit(kAnna);
  stage.dispatchers_.settle_all();
  stage.pass(absl::Seconds(1));
  stage.dispatchers_.break_streams();
  stage.jobs_.submit(kAnna);  // while nobody follows
  stage.dispatchers_.settle_all();
  stage.pass(absl::Seconds(2));
  EXPECT_EQ(feed->event_ids(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(stage.dispatchers_.opened, (std::vector<std::string>{"d1", "d2"}));
}

TEST(GatewayFeedTroubleTest, AStopEndsTheHubsWhateverTheyWaitFor) {
  for (const int milliseconds : {0, 1, 50, 1000, 7000}) {
    Stage stage;
    stage.dispatchers_.down = milliseconds == 50;
    stage.jobs_.bridges = {"b1"};
    base::Group group(stage.process_.strand());
    stage.start(&group);
    stage.pass(absl::Milliseconds(milliseconds));
    group.cancel();
    stage.pass(absl::Milliseconds(10));
    EXPECT_EQ(group.live(), 0u) << milliseconds;
  }
}

TEST(GatewayFeedTroubleTest, ASilentDispatcherIsLeft) {
  Stage stage;
  stage.start();
  stage.pass(absl::Seconds(1));
  stage.dispatchers_.silent = true;
  stage.pass(absl::Seconds(25));
  EXPECT_EQ(stage.dispatchers_.opened, (std::vector<std::string>{"d1", "d2"}));
}

TEST(GatewayFeedTroubleTest, WithoutAnyDispatcherTheFeedSaysSo) {
  Stage stage;
  stage.dispatchers_.down = true;
  stage.start();
  auto feed = stage.subscribe(kAnna, SubscribeRequest());
  stage.pass(absl::Seconds(15));
  EXPECT_EQ(feed->error(), code::kUnavailable);
}

TEST(GatewayFeedTroubleTest, ADatabaseThatIsAwayForAMomentIsWaitedFor) {
  Stage stage;
  stage.jobs_.submit(kAnna);
  stage.dispatchers_.settle_all();
  stage.start();
  stage.pass(absl::Seconds(1));
  stage.jobs_.away = true;
  auto feed = stage.since(kAnna, 0);
  stage.pass(absl::Seconds(5));
  EXPECT_TRUE(feed->messages.empty());
  stage.jobs_.away = false;
  stage.pass(absl::Seconds(2));
  EXPECT_EQ(feed->event_ids(), (std::vector<std::int64_t>{1}));
  stage.jobs_.away = true;
  auto lost = stage.since(kAnna, 0);
  stage.pass(absl::Seconds(60));
  EXPECT_EQ(lost->error(), code::kUnavailable);
}

}  // namespace
}  // namespace renderyard::gateway
