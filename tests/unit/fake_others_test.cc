// The fakes of hints, artifacts and the progress cache.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/testing/fake_artifacts.h"
#include "libs/common/testing/fake_hints.h"
#include "libs/common/testing/fake_progress_cache.h"
#include "tests/unit/base_process.h"

namespace renderyard::testing {
namespace {

using ports::Topic;

TEST(FakeHintsTest, ReachEveryListenerOfTheTopic) {
  base::OneProcess one;
  HintBus bus;
  FakeHints sender(one.strand(), bus);
  FakeHints first(one.strand(), bus);
  FakeHints second(one.strand(), bus);
  int heard_first = 0;
  int heard_second = 0;
  first.listen(Topic::kJobs, [&] { ++heard_first; });
  second.listen(Topic::kEvents, [&] { ++heard_second; });
  one.settle();
  EXPECT_EQ(heard_first, 1) << "once after the connect";
  sender.send(Topic::kJobs);
  EXPECT_EQ(heard_first, 1) << "on the strand, not inside send()";
  one.settle();
  EXPECT_EQ(heard_first, 2);
  EXPECT_EQ(heard_second, 1);
  bus.reconnect();
  one.settle();
  EXPECT_EQ(heard_first, 3);
  EXPECT_EQ(heard_second, 2);
  first.listen(Topic::kJobs, {});
  sender.send(Topic::kJobs);
  one.settle();
  EXPECT_EQ(heard_first, 3);
}

TEST(FakeHintsTest, MayBeLostDoubledLateAndOutliveTheListener) {
  base::OneProcess one;
  HintBus bus;
  FakeHints sender(one.strand(), bus);
  int heard = 0;
  std::vector<HintBus::Delivery> held;
  {
    FakeHints listener(one.strand(), bus);
    listener.listen(Topic::kJobs, [&] { ++heard; });
    one.settle();
    bus.set_carrier([&](Topic, HintBus::Delivery delivery) { held.push_back(std::move(delivery)); });
    sender.send(Topic::kJobs);
    one.settle();
    EXPECT_EQ(heard, 1);
    ASSERT_EQ(held.size(), 1u);
    held[0]();
    held[0]();
    one.settle();
    EXPECT_EQ(heard, 3);
    held[0]();
  }
  one.settle();
  held[0]();
  one.settle();
  EXPECT_EQ(heard, 3) << "the listener is gone";
  sender.send(Topic::kJobs);
  EXPECT_EQ(held.size(), 1u);
}

class FakeArtifactsTest : public ::testing::Test {
 protected:
  template <class T>
  absl::StatusOr<T> await(base::Task<absl::StatusOr<T>> task) {
    std::optional<absl::StatusOr<T>> out;
    EXPECT_TRUE(one_.run(keep(std::move(task), &out)).ok());
    return *std::move(out);
  }

  absl::Status await(base::Task<absl::Status> task) { return one_.run(std::move(task)); }

  template <class T>
  static base::Task<absl::Status> keep(base::Task<absl::StatusOr<T>> task, std::optional<absl::StatusOr<T>>* out) {
    absl::StatusOr<T> value = co_await std::move(task);
    out->emplace(std::move(value));
    co_return absl::OkStatus();
  }

  base::OneProcess one_;
  ImmediateLink link_;
  ArtifactDepot depot_;
  bool alive_ = true;
  FakeArtifacts store_{one_.strand(), depot_, link_, [this] { return alive_; }};
};

TEST_F(FakeArtifactsTest, ABlobIsThereWhenItIsFinished) {
  auto writer = await(store_.create()).value();
  ASSERT_TRUE(await(writer->write("hel")).ok());
  ASSERT_TRUE(await(writer->write("lo")).ok());
  EXPECT_TRUE(depot_.blobs().empty());
  const ports::StoredBlob blob = await(writer->finish()).value();
  EXPECT_EQ(blob.sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  EXPECT_EQ(blob.size_bytes, 5);
  EXPECT_TRUE(depot_.temporary().empty());
  EXPECT_FALSE(await(writer->write("more")).ok());
  auto reader = await(store_.open(blob.sha256)).value();
  EXPECT_EQ(reader->size_bytes(), 5);
  EXPECT_EQ(await(reader->read(1, 3)).value(), "ell");
  EXPECT_EQ(await(reader->read(4, 100)).value(), "o");
  EXPECT_EQ(await(reader->read(5, 100)).value(), "");
  EXPECT_TRUE(absl::IsNotFound(await(store_.open(std::string(64, '0'))).status()));
}

TEST_F(FakeArtifactsTest, AnUnfinishedFileGoesUnlessItsProcessDied) {
  await(store_.create()).value().reset();
  EXPECT_TRUE(depot_.temporary().empty());
  auto torn = await(store_.create()).value();
  ASSERT_TRUE(await(torn->write("half")).ok());
  alive_ = false;
  torn.reset();
  ASSERT_EQ(depot_.temporary().size(), 1u);
  EXPECT_EQ(depot_.temporary().begin()->second, "half");
  EXPECT_TRUE(depot_.blobs().empty());
}

TEST_F(FakeArtifactsTest, FullAndAwayAreNamed) {
  auto writer = await(store_.create()).value();
  ASSERT_TRUE(await(writer->write("a")).ok());
  depot_.set_condition(ArtifactDepot::Condition::kFull);
  EXPECT_TRUE(absl::IsResourceExhausted(await(writer->write("b"))));
  EXPECT_TRUE(absl::IsResourceExhausted(await(store_.create()).status()));
  depot_.set_condition(ArtifactDepot::Condition::kAway);
  EXPECT_TRUE(absl::IsUnavailable(await(writer->finish()).status()));
  depot_.set_condition(ArtifactDepot::Condition::kGood);
  EXPECT_TRUE(await(writer->finish()).ok()) << "it may be tried again";
}

TEST_F(FakeArtifactsTest, TheProgressCacheForgetsAndMayBeAway) {
  FakeRedis redis([this] { return one_.world().now(); });
  FakeProgressCache cache(one_.strand(), redis, link_);
  ports::CachedProgress progress;
  progress.prompt_id = "prompt-1";
  progress.progress = 42;
  cache.save(progress);
  const auto loaded = await(cache.load("prompt-1")).value();
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->progress, 42);
  EXPECT_FALSE(await(cache.load("prompt-2")).value());
  one_.world().run_to(one_.world().now() + absl::Seconds(7199));
  EXPECT_TRUE(await(cache.load("prompt-1")).value());
  one_.world().run_to(one_.world().now() + absl::Seconds(1));
  EXPECT_FALSE(await(cache.load("prompt-1")).value());
  redis.set_away(true);
  cache.save(progress);
  EXPECT_TRUE(absl::IsUnavailable(await(cache.load("prompt-1")).status()));
  redis.set_away(false);
  cache.save(progress);
  cache.erase("prompt-1");
  EXPECT_FALSE(await(cache.load("prompt-1")).value());
}

}  // namespace
}  // namespace renderyard::testing
