// ProgressWriter and StatePublisher: what they hand to the database, and that nothing is lost or grows old while it is
// away or slow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/states.h"
#include "libs/common/testing/fake_artifacts.h"
#include "libs/common/testing/fake_database.h"
#include "libs/common/testing/fake_execution_store.h"
#include "libs/common/testing/fake_hints.h"
#include "libs/common/testing/fake_progress_cache.h"
#include "libs/common/testing/sim/process.h"
#include "libs/common/testing/sim/world.h"
#include "services/bridge/progress_writer.h"
#include "services/bridge/state_publisher.h"

namespace renderyard::bridge {
namespace {

using ::testing::ElementsAre;
using testing::sim::Process;
using testing::sim::World;

constexpr absl::Duration kRoundTrip = absl::Milliseconds(20);

// Writes down each batch when it comes; answers after a round trip.
class Writes final : public testing::FakeExecutionStore {
 public:
  Writes(Process& process, testing::FakeDatabase& database, testing::DatabaseLink& link)
      : FakeExecutionStore(process.strand(), database, link), clock_(process.clock()) {}

  bool away = false;
  // One text per batch: "1:10 2:20".
  std::vector<std::string> attempts, written;
  std::vector<absl::Time> at;

  base::Task<absl::Status> record_progress(std::vector<ports::ProgressWrite> writes) override {
    std::string batch;
    for (const auto& write : writes) add(batch, write.id.value, std::to_string(write.percent));
    return answer(std::move(batch));
  }

  base::Task<absl::StatusOr<std::vector<ports::InstanceId>>> set_instance_states(
      std::vector<ports::InstanceState> states) override {
    std::string batch;
    std::vector<ports::InstanceId> ours;
    for (const auto& state : states) {
      add(batch, state.id.value, std::string(domain::to_string(state.status)));
      ours.push_back(state.id);
    }
    CO_RETURN_IF_ERROR(co_await answer(std::move(batch)));
    co_return ours;
  }

 private:
  static void add(std::string& batch, std::int64_t id, const std::string& what) {
    batch += (batch.empty() ? "" : " ") + std::to_string(id) + ":" + what;
  }
  base::Task<absl::Status> answer(std::string batch) {
    attempts.push_back(batch);
    at.push_back(clock_.now());
    CO_RETURN_IF_ERROR(co_await clock_.sleep_for(kRoundTrip));
    if (away) co_return absl::UnavailableError("away");
    written.push_back(std::move(batch));
    co_return absl::OkStatus();
  }

  base::Clock& clock_;
};

// A connector that nobody asks.
class NoComfy final : public ports::ComfyConnector {
 public:
  std::unique_ptr<ports::ComfyInstance> instance(const ports::InstanceRow&) override { return nullptr; }
};

class BridgeWritersTest : public ::testing::Test {
 protected:
  BridgeWritersTest()
      : process_(world_.start("bridge")),
        store_(process_.make<Writes>(process_, database_, link_)),
        deps_{process_.strand(),
              process_.clock(),
              process_.random(),
              process_.journal(),
              store_,
              comfy_,
              process_.make<testing::FakeArtifacts>(process_.strand(), depot_, link_),
              process_.make<testing::FakeProgressCache>(process_.strand(), redis_, link_),
              process_.make<testing::FakeHints>(process_.strand(), hints_),
              observer_} {}

  void pass(absl::Duration time) { world_.run_to(world_.now() + time); }

  World world_{7};
  testing::FakeDatabase database_{[this] { return world_.now(); }, "00000000-0000-4000-8000-00000000c105"};
  testing::FakeRedis redis_{[this] { return world_.now(); }};
  testing::ArtifactDepot depot_;
  testing::HintBus hints_;
  testing::ImmediateLink link_;
  NoComfy comfy_;
  Observer observer_;
  Process& process_;
  Writes& store_;
  Deps deps_;
  Config config_;
};

class ProgressWriterTest : public BridgeWritersTest {
 protected:
  ProgressWriterTest() { process_.spawn(writer_.run()); }
  void write(std::int64_t execution, int percent) {
    ports::ProgressWrite progress;
    progress.id = base::ExecutionId{execution};
    progress.epoch = base::Epoch{1};
    progress.percent = percent;
    writer_.write(std::move(progress), world_.now(), std::nullopt);
  }
  ProgressWriter& writer_ = process_.make<ProgressWriter>(deps_, config_);
};

TEST_F(ProgressWriterTest, TheFirstGoesOutAtOnceAndTheRestInBatches) {
  const absl::Time begin = world_.now();
  write(1, 1);
  pass(kRoundTrip / 2);
  EXPECT_THAT(store_.attempts, ElementsAre("1:1"));
  // While the first is on its way and in the pause after it.
  write(2, 5);
  write(1, 2);
  pass(kRoundTrip);
  write(1, 3);
  write(3, 9);
  pass(config_.progress_write_every + kRoundTrip);
  EXPECT_THAT(store_.written, ElementsAre("1:1", "1:3 2:5 3:9"));
  EXPECT_EQ(store_.at[0], begin);
  EXPECT_EQ(store_.at[1], begin + kRoundTrip + config_.progress_write_every);
}

TEST_F(ProgressWriterTest, NothingNewIsNotWritten) {
  write(1, 1);
  pass(absl::Minutes(10));
  EXPECT_THAT(store_.attempts, ElementsAre("1:1"));
}

TEST_F(ProgressWriterTest, WhileTheDatabaseIsAwayTheLatestIsKept) {
  store_.away = true;
  write(1, 10);
  write(2, 20);
  pass(kRoundTrip / 2);
  write(1, 11);  // newer than what is about to fail
  pass(absl::Seconds(5));
  EXPECT_TRUE(store_.written.empty());
  EXPECT_THAT(store_.attempts.size(), ::testing::Gt(5u));
  EXPECT_EQ(store_.attempts.back(), "1:11 2:20");
  write(3, 30);
  store_.away = false;
  pass(absl::Seconds(2));
  EXPECT_THAT(store_.written, ElementsAre("1:11 2:20 3:30"));
}

TEST_F(ProgressWriterTest, WhatIsOverIsNotWritten) {
  store_.away = true;
  write(1, 10);
  write(2, 20);
  pass(absl::Seconds(2));
  writer_.forget(base::ExecutionId{1});
  store_.away = false;
  pass(absl::Seconds(2));
  // Of a batch that was on its way the fence keeps it out.
  ASSERT_FALSE(store_.written.empty());
  EXPECT_THAT(store_.written.back(), "2:20");
}

class StatePublisherTest : public BridgeWritersTest {
 protected:
  using Status = ports::InstanceStatus;
  StatePublisherTest() { process_.spawn(states_.run()); }
  void publish(std::int64_t instance, Status status) {
    ports::InstanceState state;
    state.id = base::InstanceId{instance};
    state.epoch = base::Epoch{1};
    state.status = status;
    states_.publish(std::move(state));
  }
  // When everything of the instance is written.
  bool& watch(std::int64_t instance) {
    bool& done = process_.make<bool>(false);
    process_.spawn(states_.written(base::InstanceId{instance}),
                   [&done](const absl::Status& status) { done = status.ok(); });
    return done;
  }
  StatePublisher& states_ = process_.make<StatePublisher>(deps_);
};

TEST_F(StatePublisherTest, OneIsWrittenAtOnceAndThoseThatCameMeanwhileTogether) {
  publish(1, Status::kConnecting);
  pass(kRoundTrip / 2);
  EXPECT_THAT(store_.attempts, ElementsAre("1:connecting"));
  publish(2, Status::kConnecting);
  publish(1, Status::kConnected);
  publish(2, Status::kConnected);
  pass(kRoundTrip * 2);
  EXPECT_THAT(store_.written, ElementsAre("1:connecting", "1:connected 2:connected"));
}

TEST_F(StatePublisherTest, HoweverLongTheDatabaseIsAwayTheLatestStateComesToIt) {
  store_.away = true;
  publish(1, Status::kConnected);
  publish(2, Status::kConnected);
  pass(kRoundTrip / 2);
  publish(1, Status::kReconnecting);
  pass(absl::Hours(1));
  EXPECT_TRUE(store_.written.empty());
  publish(3, Status::kPolling);
  store_.away = false;
  pass(absl::Minutes(2));
  EXPECT_THAT(store_.written, ElementsAre("1:reconnecting 2:connected 3:polling"));
  // The pauses grew: in an hour it is not asked every second.
  EXPECT_LT(store_.attempts.size(), 1800u);
  EXPECT_GT(store_.attempts.size(), 20u);
}

TEST_F(StatePublisherTest, WrittenWaitsForWhatIsOnItsWayAndForWhatWaits) {
  store_.away = true;
  publish(1, Status::kDisabled);
  bool& one = watch(1);
  bool& two = watch(2);
  pass(absl::Seconds(30));
  EXPECT_FALSE(one);
  EXPECT_TRUE(two) << "nothing of it waits";
  store_.away = false;
  pass(absl::Minutes(2));
  EXPECT_TRUE(one);
  EXPECT_THAT(store_.written, ElementsAre("1:disabled"));
}

}  // namespace
}  // namespace renderyard::bridge
