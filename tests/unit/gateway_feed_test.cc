// Feeds: nothing missed, nothing twice, nothing of others; whatever the moment at which they begin.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/gateway_feed_stage.h"

namespace renderyard::gateway {
namespace {

TEST(GatewayFeedTest, EveryPositionResumesExactlyAfterIt) {
  Stage stage;
  for (int i = 0; i < 4; ++i) {
    const ports::JobId job = stage.jobs_.submit(i % 2 == 0 ? kAnna : kBert);
    stage.jobs_.write(job, type::kStarted);
    stage.jobs_.write(job, type::kCompleted);
  }
  stage.dispatchers_.settle_all();
  stage.start();
  std::vector<Stage::Feed> feeds;
  for (std::int64_t id = 0; id <= 12; ++id) feeds.push_back(stage.since(kAnna, id));
  stage.pass(absl::Seconds(1));
  const ports::JobId later = stage.jobs_.submit(kAnna);
  stage.jobs_.write(later, type::kCancelled);
  stage.dispatchers_.settle_all();
  stage.pass(absl::Seconds(1));
  for (std::int64_t id = 0; id <= 12; ++id) {
    std::vector<std::int64_t> expected;
    for (const auto& [event_id, event] : stage.jobs_.log) {
      if (event_id > id && event.user_id == kAnna) expected.push_back(event_id);
    }
    const Stage::Feed& feed = feeds[static_cast<std::size_t>(id)];
    EXPECT_EQ(feed->event_ids(), expected) << "since " << id;
    EXPECT_EQ(feed->messages.front().kind, Kind::kResumed);
  }
}

TEST(GatewayFeedTest, ASnapshotAndWhatFollowsFitTogether) {
  Stage stage;
  const ports::JobId waiting = stage.jobs_.submit(kAnna);
  const ports::JobId done = stage.jobs_.submit(kAnna);
  stage.jobs_.write(done, type::kStarted);
  stage.jobs_.write(done, type::kCompleted);
  stage.jobs_.submit(kBert);
  stage.dispatchers_.settle_all();
  stage.start();
  auto feed = stage.subscribe(kAnna, SubscribeRequest());
  stage.pass(absl::Seconds(1));
  ASSERT_EQ(feed->messages.size(), 1u);
  const FeedMessage& snapshot = feed->messages.front();
  EXPECT_EQ(snapshot.kind, Kind::kSnapshot);
  ASSERT_EQ(snapshot.jobs.size(), 1u);
  EXPECT_EQ(snapshot.jobs[0].id, waiting);
  EXPECT_EQ(snapshot.position->id, stage.dispatchers_.settled());
}

TEST(GatewayFeedTest, WhatARowAlreadyShowedIsNotToldAgain) {
  Stage stage;
  stage.start();
  stage.pass(absl::Seconds(1));
  // The rows are ahead of the settled stream: the job has started, but the event is not settled yet.
  const ports::JobId job = stage.jobs_.submit(kAnna);
  stage.jobs_.write(job, type::kStarted);
  auto feed = stage.subscribe(kAnna, SubscribeRequest());
  stage.pass(absl::Seconds(1));
  ASSERT_EQ(feed->messages.front().jobs.size(), 1u);
  EXPECT_EQ(feed->messages.front().jobs[0].event_seq, 2);
  stage.dispatchers_.settle_all();
  stage.pass(absl::Seconds(1));
  EXPECT_TRUE(feed->event_ids().empty());
  stage.jobs_.write(job, type::kCompleted);
  stage.dispatchers_.settle_all();
  stage.pass(absl::Seconds(1));
  EXPECT_EQ(feed->event_ids(), (std::vector<std::int64_t>{3}));
}

// Jobs move, bounds settle late, streams break and readers come and go, all at moments the seed chooses.
void check_random_run(std::uint64_t seed) {
  Stage stage(seed);
  auto random = stage.world_.fork("test");
  stage.jobs_.delay = absl::Milliseconds(static_cast<std::int64_t>(random->below(40)));
  stage.feed_config_.batch = 3;
  stage.feed_config_.snapshot_part = 2;
  stage.start();
  std::vector<Stage::Feed> snapshots;
  std::vector<std::pair<std::int64_t, Stage::Feed>> resumed;
  for (int step = 0; step < 150; ++step) {
    const std::uint64_t what = random->below(10);
    if (what < 3) stage.jobs_.submit(random->chance(0.7) ? kAnna : kBert);
    if (what >= 3 && what < 7 && !stage.jobs_.rows.empty()) {
      const ports::JobId id{static_cast<std::int64_t>(random->below(stage.jobs_.rows.size())) + 1};
      const ports::JobStatus status = stage.jobs_.rows.at(id).status;
      if (status == ports::JobStatus::kPending) stage.jobs_.write(id, type::kStarted);
      if (status == ports::JobStatus::kRunning) stage.jobs_.write(id, type::kCompleted);
    }
    if (what == 7) stage.dispatchers_.settle(stage.jobs_.last_id - static_cast<std::int64_t>(random->below(4)));
    if (what == 8) snapshots.push_back(stage.subscribe(kAnna, SubscribeRequest()));
    if (what == 9) {
      const auto id =
          static_cast<std::int64_t>(random->below(static_cast<std::uint64_t>(stage.dispatchers_.settled()) + 1));
      resumed.emplace_back(id, stage.since(kAnna, id));
    }
    if (random->chance(0.05)) stage.dispatchers_.break_streams();
    stage.pass(absl::Milliseconds(static_cast<std::int64_t>(random->below(30))));
  }
  stage.dispatchers_.settle_all();
  stage.pass(absl::Seconds(20));

  for (const auto& [since, feed] : resumed) {
    std::vector<std::int64_t> expected;
    for (const auto& [id, event] : stage.jobs_.log) {
      if (id > since && event.user_id == kAnna) expected.push_back(id);
    }
    ASSERT_EQ(feed->event_ids(), expected) << "seed " << seed << " since " << since;
  }
  for (const Stage::Feed& feed : snapshots) {
    std::map<ports::JobId, int> shown;
    for (const FeedMessage& message : feed->messages) {
      for (const ports::JobRow& row : message.jobs) shown[row.id] = row.event_seq;
    }
    ASSERT_FALSE(feed->messages.empty()) << "seed " << seed;
    const std::int64_t position = feed->messages.front().position->id;
    std::vector<std::int64_t> expected;
    std::set<ports::JobId> heard_of;
    for (const auto& [id, event] : stage.jobs_.log) {
      if (event.user_id != kAnna || id <= position) continue;
      if (shown.contains(event.job_id) && event.seq <= shown.at(event.job_id)) continue;
      expected.push_back(id);
      // The first that is heard of a job which no snapshot showed is its birth, or it was over by then.
      const bool first = !shown.contains(event.job_id) && heard_of.insert(event.job_id).second;
      if (first && event.seq != 1) {
        ASSERT_TRUE(domain::is_final(stage.jobs_.rows.at(event.job_id).status)) << "seed " << seed;
      }
    }
    ASSERT_EQ(feed->event_ids(), expected) << "seed " << seed;
    for (const auto& [job, row] : stage.jobs_.rows) {
      const ports::JobId id = job;
      if (row.submitted_by == kBert) {
        ASSERT_FALSE(shown.contains(id)) << "seed " << seed;
        continue;
      }
      const std::set<std::int64_t> heard(expected.begin(), expected.end());
      const bool told = std::any_of(stage.jobs_.log.begin(), stage.jobs_.log.end(), [&](const auto& entry) {
        return entry.second.job_id == id && heard.contains(entry.first);
      });
      if (!domain::is_final(row.status)) {
        ASSERT_TRUE(told || shown.contains(id)) << "seed " << seed << " job " << id;
      }
    }
  }
}

TEST(GatewayFeedTest, NothingIsMissedOrDoubledAtAnyMoment) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    check_random_run(seed);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(GatewayFeedTest, AdminsMaySeeAllAndUsersOnlyTheirOwn) {
  Stage stage;
  stage.start();
  SubscribeRequest all;
  all.scope = SubscribeRequest::Scope::kAll;
  auto admin = stage.subscribe(kAnna, all, ports::Role::kAdmin);
  auto user = stage.subscribe(kAnna, all);  // the gateway refuses this; the feed itself must not leak either
  stage.pass(absl::Seconds(1));
  stage.jobs_.submit(kBert);
  stage.dispatchers_.settle_all();
  stage.pass(absl::Seconds(1));
  EXPECT_EQ(admin->event_ids().size(), 1u);
  EXPECT_TRUE(user->event_ids().empty());
}

TEST(GatewayFeedTest, ListedJobsAreShownEvenWhenTheyAreOver) {
  Stage stage;
  const ports::JobId mine = stage.jobs_.submit(kAnna);
  stage.jobs_.write(mine, type::kCancelled);
  const ports::JobId other = stage.jobs_.submit(kBert);
  stage.dispatchers_.settle_all();
  stage.start();
  SubscribeRequest request;
  request.scope = SubscribeRequest::Scope::kListed;
  request.jobs = {mine.value};
  auto good = stage.subscribe(kAnna, request);
  request.jobs = {mine.value, other.value};
  auto bad = stage.subscribe(kAnna, request);
  stage.pass(absl::Seconds(1));
  ASSERT_EQ(good->messages.front().jobs.size(), 1u);
  EXPECT_EQ(good->messages.front().jobs[0].status, ports::JobStatus::kCancelled);
  EXPECT_EQ(bad->error(), code::kNotFound);
  EXPECT_TRUE(bad->ended);
}

TEST(GatewayFeedTest, AQuietFeedTellsItsPosition) {
  Stage stage;
  stage.start();
  auto feed = stage.subscribe(kAnna, SubscribeRequest());
  stage.pass(absl::Seconds(1));
  stage.jobs_.submit(kBert);  // moves the position, is no news for Anna
  stage.dispatchers_.settle_all();
  stage.pass(absl::Seconds(40));
  ASSERT_EQ(feed->messages.size(), 3u);
  EXPECT_EQ(feed->messages.back().kind, Kind::kHeartbeat);
  EXPECT_EQ(feed->messages.back().position->id, 1);
}

}  // namespace
}  // namespace renderyard::gateway
