// Feeds: nothing missed, nothing twice, nothing of others, bounded; whatever the moment at which they begin.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "libs/common/base/group.h"
#include "libs/common/domain/error_code.h"
#include "services/api-gateway/event_hub.h"
#include "services/api-gateway/progress_hub.h"
#include "services/api-gateway/subscription.h"
#include "tests/unit/gateway_world.h"

namespace renderyard::gateway {
namespace {

using testing::sim::Process;
using testing::sim::World;
using Kind = FeedMessage::Kind;
namespace code = domain::code;
namespace type = ports::event_type;

constexpr ports::UserId kAnna{1};
constexpr ports::UserId kBert{2};

// What one subscriber got.
struct Reader {
  std::vector<FeedMessage> messages;
  bool ended = false;
  bool paused = false;

  std::vector<std::int64_t> event_ids() const {
    std::vector<std::int64_t> ids;
    for (const FeedMessage& message : messages) {
      if (message.kind == Kind::kEvent) ids.push_back(message.position->id);
    }
    return ids;
  }
  std::vector<int> percents() const {
    std::vector<int> percents;
    for (const FeedMessage& message : messages) {
      if (message.kind == Kind::kProgress) percents.push_back(message.percent);
    }
    return percents;
  }
  std::string error() const {
    return messages.empty() || !messages.back().problem ? "" : messages.back().problem->code;
  }
};

class Stage {
 public:
  explicit Stage(std::uint64_t seed = 11)
      : world_(seed),
        process_(world_.start("gateway")),
        jobs_(process_.make<HandJobs>(process_.clock())),
        dispatchers_(process_.make<HandDispatchers>(process_.strand(), process_.clock(), jobs_)),
        bridges_(process_.make<HandBridges>(process_.strand(), process_.clock())),
        resume_(process_.make<base::Event>(process_.strand(), process_.clock())) {}

  // The hubs run in `group`, or as roots of the process.
  void start(base::Group* group = nullptr) {
    EventHub::Config hub;
    hub.addresses = {"d1", "d2"};
    events_ = &process_.make<EventHub>(
        EventHub::Deps{process_.strand(), process_.clock(), process_.random(), process_.journal(), dispatchers_}, hub);
    progress_ = &process_.make<ProgressHub>(
        ProgressHub::Deps{process_.strand(), process_.clock(), process_.random(), process_.journal(), jobs_, bridges_},
        ProgressHub::Config());
    events_->on_event([this](const ports::JobEvent& event) {
      if (ends_job(event.type)) progress_->job_ended(event.job_id);
    });
    if (group != nullptr) {
      group->spawn_isolated(events_->run());
      group->spawn_isolated(progress_->run());
      return;
    }
    process_.spawn(events_->run());
    process_.spawn(progress_->run());
  }

  struct Feed {
    std::shared_ptr<Subscription> subscription;
    std::shared_ptr<Reader> reader;
    Reader* operator->() const { return reader.get(); }
  };

  Feed subscribe(ports::UserId user, SubscribeRequest request, ports::Role role = ports::Role::kUser,
                 bool paused = false) {
    ports::User who;
    who.id = user;
    who.role = role;
    Feed feed;
    feed.subscription = std::make_shared<Subscription>(
        Subscription::Deps{process_.strand(), process_.clock(), jobs_, *events_, *progress_}, feed_config_, who,
        std::move(request));
    feed.reader = std::make_shared<Reader>();
    feed.reader->paused = paused;
    process_.spawn(read(feed.subscription, feed.reader, &resume_));
    return feed;
  }
  Feed since(ports::UserId user, std::int64_t id) {
    SubscribeRequest request;
    request.since = Position{kEpoch, id}.text();
    return subscribe(user, request);
  }
  void go_on(Feed& feed) {
    feed.reader->paused = false;
    resume_.notify();
  }

  void pass(absl::Duration time) { world_.run_to(world_.now() + time); }

  World world_;
  Process& process_;
  HandJobs& jobs_;
  HandDispatchers& dispatchers_;
  HandBridges& bridges_;
  base::Event& resume_;
  EventHub* events_ = nullptr;
  ProgressHub* progress_ = nullptr;
  Subscription::Config feed_config_;

 private:
  static base::Task<absl::Status> read(std::shared_ptr<Subscription> subscription, std::shared_ptr<Reader> reader,
                                       base::Event* resume) {
    for (;;) {
      while (reader->paused) {
        const absl::Time never = absl::InfiniteFuture();
        const absl::Status status = co_await resume->wait_until(never);
        if (!status.ok()) co_return status;
      }
      auto message = co_await subscription->next();
      if (!message.ok()) co_return message.status();
      if (!message->has_value()) break;
      reader->messages.push_back(**message);
    }
    reader->ended = true;
    co_return absl::OkStatus();
  }
};

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

TEST(GatewayFeedTest, ASlowReaderIsEndedByName) {
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

TEST(GatewayFeedTest, PositionsThatCannotBeServedAreNamed) {
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

TEST(GatewayFeedTest, APositionOfAGatewayThatIsAheadIsWaitedFor) {
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

TEST(GatewayFeedTest, ARestoredDatabaseEndsFeedsByName) {
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

TEST(GatewayFeedTest, AnotherDispatcherTakesOverWithThePosition) {
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

TEST(GatewayFeedTest, AStopEndsTheHubsWhateverTheyWaitFor) {
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

TEST(GatewayFeedTest, ASilentDispatcherIsLeft) {
  Stage stage;
  stage.start();
  stage.pass(absl::Seconds(1));
  stage.dispatchers_.silent = true;
  stage.pass(absl::Seconds(25));
  EXPECT_EQ(stage.dispatchers_.opened, (std::vector<std::string>{"d1", "d2"}));
}

TEST(GatewayFeedTest, WithoutAnyDispatcherTheFeedSaysSo) {
  Stage stage;
  stage.dispatchers_.down = true;
  stage.start();
  auto feed = stage.subscribe(kAnna, SubscribeRequest());
  stage.pass(absl::Seconds(15));
  EXPECT_EQ(feed->error(), code::kUnavailable);
}

TEST(GatewayFeedTest, ADatabaseThatIsAwayForAMomentIsWaitedFor) {
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

TEST(GatewayFeedTest, ProgressNeverGoesBackwardsAndEndsWithTheJob) {
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

TEST(GatewayFeedTest, WaitingProgressIsTheLatestAndStandsBeforeTheEnd) {
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

TEST(GatewayFeedTest, ALateSubscriberGetsTheProgressThatIsKnown) {
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

TEST(GatewayFeedTest, BridgesAreFoundAndReopened) {
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
