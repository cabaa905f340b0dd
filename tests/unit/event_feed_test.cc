#include "services/bridge/event_feed.h"

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/common/testing/sim/process.h"
#include "libs/common/testing/sim/world.h"

namespace renderyard::bridge {
namespace {

using testing::sim::Process;
using testing::sim::World;
using Seen = std::vector<std::string>;

class Counts final : public Observer {
 public:
  void subscribers(int now) override { open = now; }
  void slow_subscriber() override { ++slow; }
  int open = 0;
  int slow = 0;
};

std::string text_of(const ports::BridgeEvent& event) {
  if (const auto* news = std::get_if<ports::InstanceNews>(&event)) {
    return absl::StrCat("instance ", news->id.value, " ", std::string(domain::to_string(news->status)));
  }
  if (const auto* news = std::get_if<ports::ProgressNews>(&event)) {
    return absl::StrCat("progress ", news->progress.execution_id.value, " ", news->progress.percent);
  }
  if (const auto* node = std::get_if<ports::NodeStarted>(&event)) return "node " + node->node_id;
  if (const auto* end = std::get_if<ports::ExecutionEnded>(&event)) {
    return absl::StrCat("end ", end->execution.execution_id.value);
  }
  return "preview " + *std::get<ports::Preview>(event).image;
}

class EventFeedTest : public ::testing::Test {
 protected:
  EventFeedTest()
      : process_(world_.start("bridge")),
        feed_(process_.make<EventFeed>(process_.strand(), process_.clock(), counts_, std::size_t{8})) {}

  void instance(std::int64_t id, ports::InstanceStatus status, std::int64_t epoch = 1) {
    ports::InstanceNews news;
    news.id = base::InstanceId{id};
    news.owner_epoch = base::Epoch{epoch};
    news.status = status;
    feed_.publish(std::move(news));
  }
  void progress(std::int64_t execution, int percent) {
    ports::ProgressNews news;
    news.progress.execution_id = base::ExecutionId{execution};
    news.progress.percent = percent;
    feed_.publish(std::move(news));
  }
  void node(std::string id) {
    ports::NodeStarted started;
    started.node_id = std::move(id);
    feed_.publish(std::move(started));
  }
  void preview(std::int64_t execution, std::string image) {
    ports::Preview shown;
    shown.execution.execution_id = base::ExecutionId{execution};
    shown.image = std::make_shared<const std::string>(std::move(image));
    feed_.publish(std::move(shown));
  }
  void end(std::int64_t execution, int outputs = 0) {
    ports::ExecutionEnded ended;
    ended.execution.execution_id = base::ExecutionId{execution};
    ended.outputs.resize(static_cast<std::size_t>(outputs));
    feed_.publish(std::move(ended));
  }

  static base::Task<absl::Status> collect(base::Stream<ports::BridgeEvent>& stream, Seen& into) {
    for (;;) {
      auto next = co_await stream.next();
      if (!next.ok()) {
        into.emplace_back(next.status().ToString());
        co_return absl::OkStatus();
      }
      into.push_back(text_of(**next));
    }
  }

  base::Stream<ports::BridgeEvent>& open(bool previews = false) {
    return *streams_.emplace_back(feed_.watch(previews));
  }
  // What the stream gives until there is no more.
  Seen& read(base::Stream<ports::BridgeEvent>& stream) {
    auto& seen = process_.make<Seen>();
    process_.spawn(collect(stream, seen));
    settle();
    return seen;
  }
  void settle() { world_.run_to(world_.now() + absl::Seconds(1)); }

  Counts counts_;
  World world_{1};
  Process& process_;
  EventFeed& feed_;
  std::vector<base::StreamPtr<ports::BridgeEvent>> streams_;
};

TEST_F(EventFeedTest, BeginsWithEveryInstanceAndTheLatestProgress) {
  instance(2, ports::InstanceStatus::kConnecting);
  instance(1, ports::InstanceStatus::kReconnecting);
  instance(2, ports::InstanceStatus::kConnected);
  progress(7, 10);
  progress(8, 20);
  progress(7, 30);
  node("past");
  EXPECT_EQ(read(open()), (Seen{"instance 1 reconnecting", "instance 2 connected", "progress 8 20", "progress 7 30"}));
}

TEST_F(EventFeedTest, AnInstanceOfAnotherBridgeIsNotTold) {
  instance(1, ports::InstanceStatus::kConnected, 1);
  instance(2, ports::InstanceStatus::kConnected, 1);
  instance(2, ports::InstanceStatus::kConnecting, 2);
  feed_.forget(base::InstanceId{1}, base::Epoch{1});
  feed_.forget(base::InstanceId{2}, base::Epoch{1});  // late: a newer lease speaks
  EXPECT_EQ(read(open()), (Seen{"instance 2 connecting"}));
}

TEST_F(EventFeedTest, ASlowWatcherMissesProgressAndPreviewsButNoStateAndNoNode) {
  auto& stream = open(true);
  instance(1, ports::InstanceStatus::kConnected);
  progress(7, 1);
  preview(7, "a");
  node("3");
  progress(7, 2);
  preview(7, "b");
  instance(1, ports::InstanceStatus::kReconnecting);
  instance(1, ports::InstanceStatus::kConnected);
  EXPECT_EQ(read(stream), (Seen{"instance 1 connected", "node 3", "progress 7 2", "preview b",
                                "instance 1 reconnecting", "instance 1 connected"}));
}

TEST_F(EventFeedTest, TheLastProgressComesBeforeTheEndAndNothingAfterIt) {
  auto& stream = open(true);
  progress(7, 50);
  progress(7, 90);
  preview(7, "old");
  end(7);
  EXPECT_EQ(read(stream), (Seen{"progress 7 90", "end 7"}));
  // One who had read it does not get it again.
  Seen& seen = read(open(true));
  progress(8, 40);
  settle();
  end(8);
  settle();
  EXPECT_EQ(seen, (Seen{"progress 8 40", "end 8"}));
}

TEST_F(EventFeedTest, PreviewsComeOnlyToThoseWhoAsk) {
  EXPECT_FALSE(feed_.wants_previews());
  preview(7, "for nobody");
  Seen& with = read(open(true));
  Seen& without = read(open(false));
  EXPECT_TRUE(feed_.wants_previews());
  preview(7, "a");
  settle();
  preview(7, "b");
  settle();
  EXPECT_EQ(with, (Seen{"preview a", "preview b"}));
  EXPECT_EQ(without, Seen());
}

TEST_F(EventFeedTest, WhoFallsBehindEndsWithANamedStatusAndTheOthersGoOn) {
  Seen& quick = read(open());
  auto& slow = open();
  for (int i = 0; i < 9; ++i) {
    node(std::to_string(i));
    settle();
  }
  EXPECT_EQ(quick.size(), 9u);
  const Seen& seen = read(slow);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_TRUE(seen[0].starts_with("RESOURCE_EXHAUSTED: slow_subscriber: ")) << seen[0];
  EXPECT_EQ(counts_.slow, 1);
  EXPECT_EQ(counts_.open, 2);
}

TEST_F(EventFeedTest, ABacklogOfEventsWithManyOutputsIsShorter) {
  auto& stream = open();
  for (int i = 0; i < 3; ++i) end(i, 2);
  EXPECT_TRUE(read(stream).at(0).starts_with("RESOURCE_EXHAUSTED"));
}

TEST_F(EventFeedTest, EightThousandStatesOfAFleetAreNoneTooMany) {
  EventFeed& feed = process_.make<EventFeed>(process_.strand(), process_.clock(), counts_);
  auto& stream = *streams_.emplace_back(feed.watch(false));
  for (std::int64_t id = 1; id <= 8000; ++id) {
    ports::InstanceNews news;
    news.id = base::InstanceId{id};
    feed.publish(std::move(news));
  }
  EXPECT_EQ(read(stream).size(), 8000u);
}

}  // namespace
}  // namespace renderyard::bridge
