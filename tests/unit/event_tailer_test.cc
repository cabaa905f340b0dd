// The settled stream: nothing is emitted before it can no longer be overtaken, each watcher gets everything once and in
// order wherever it begins.
#include "services/dispatcher/event_tailer.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <vector>

#include "libs/common/testing/sim/process.h"
#include "libs/common/testing/sim/world.h"

namespace renderyard::dispatcher {
namespace {

using testing::sim::Process;
using testing::sim::World;

// A table whose transactions are opened and committed by hand.
class HandLog final : public ports::EventLog {
 public:
  std::map<std::int64_t, ports::JobEvent> committed;
  std::int64_t issued = 0;
  std::uint64_t next_transaction = 100;
  std::optional<std::uint64_t> oldest_open;
  ports::ClusterMeta meta{"epoch-1", 0};
  int reads = 0;

  void commit(std::int64_t id) {
    ports::JobEvent event;
    event.id = id;
    committed.emplace(id, event);
    issued = std::max(issued, id);
  }

  base::Task<absl::StatusOr<std::int64_t>> last_issued_id() override { co_return issued; }
  base::Task<absl::StatusOr<std::uint64_t>> fresh_transaction_id() override { co_return next_transaction++; }
  base::Task<absl::StatusOr<std::uint64_t>> oldest_running_transaction_id() override {
    co_return oldest_open.value_or(next_transaction);
  }
  base::Task<absl::StatusOr<std::vector<ports::JobEvent>>> read(std::int64_t after, std::int64_t upto,
                                                                int limit) override {
    ++reads;
    std::vector<ports::JobEvent> events;
    for (auto it = committed.upper_bound(after); it != committed.end() && it->first <= upto; ++it) {
      if (events.size() < static_cast<std::size_t>(limit)) events.push_back(it->second);
    }
    co_return events;
  }
  base::Task<absl::StatusOr<ports::ClusterMeta>> cluster() override { co_return meta; }
};

class EventTailerTest : public ::testing::Test {
 protected:
  EventTailerTest() : process_(world_.start("dispatcher")) { config_.batch = 3; }

  EventTailer& start() {
    tailer_ = &process_.make<EventTailer>(
        EventTailer::Deps{process_.strand(), process_.clock(), process_.journal(), log_}, config_);
    process_.spawn(tailer_->run());
    return *tailer_;
  }

  struct Watched {
    std::vector<std::int64_t> ids;
    std::int64_t upto = -1;
    absl::Status status;
  };

  static base::Task<absl::Status> collect(base::Stream<ports::EventBatch>& stream, Watched& into) {
    for (;;) {
      auto batch = co_await stream.next();
      if (!batch.ok()) {
        into.status = batch.status();
        co_return batch.status();
      }
      if (!batch->has_value()) co_return absl::OkStatus();
      for (const auto& event : (*batch)->events) into.ids.push_back(event.id);
      into.upto = (*batch)->upto;
    }
  }

  Watched& watch(std::string epoch, std::optional<std::int64_t> after) {
    auto& stream =
        process_.own(std::shared_ptr<base::Stream<ports::EventBatch>>(tailer_->watch(std::move(epoch), after)));
    auto& watched = process_.make<Watched>();
    process_.spawn(collect(stream, watched));
    return watched;
  }

  void pass(absl::Duration time) { world_.run_to(world_.now() + time); }

  World world_{7};
  Process& process_;
  HandLog log_;
  EventTailer::Config config_;
  EventTailer* tailer_ = nullptr;
};

TEST_F(EventTailerTest, NothingIsEmittedWhileAnOlderTransactionIsOpen) {
  start();
  pass(absl::Seconds(1));
  Watched& watched = watch("", 0);
  log_.oldest_open = log_.next_transaction++;  // a writer drew id 1 and has not committed
  log_.issued = 1;
  log_.commit(2);
  pass(absl::Seconds(2));
  EXPECT_TRUE(watched.ids.empty());
  log_.commit(1);
  log_.oldest_open.reset();
  pass(absl::Seconds(1));
  EXPECT_EQ(watched.ids, (std::vector<std::int64_t>{1, 2}));
}

TEST_F(EventTailerTest, HolesOfRolledBackTransactionsAreStepped) {
  start();
  pass(absl::Seconds(1));
  Watched& watched = watch("", std::nullopt);
  for (const std::int64_t id : {2, 5, 6, 9}) log_.commit(id);
  log_.issued = 12;
  pass(absl::Seconds(2));
  EXPECT_EQ(watched.ids, (std::vector<std::int64_t>{2, 5, 6, 9}));
  EXPECT_EQ(watched.upto, 12);
}

TEST_F(EventTailerTest, EachPositionResumesExactlyAfterIt) {
  for (std::int64_t id = 1; id <= 10; ++id) log_.commit(id);
  start();
  pass(absl::Seconds(1));
  for (std::int64_t id = 11; id <= 20; ++id) log_.commit(id);
  std::vector<Watched*> all;
  for (std::int64_t after = 0; after <= 20; ++after) all.push_back(&watch("epoch-1", after));
  pass(absl::Seconds(3));
  for (std::int64_t after = 0; after <= 20; ++after) {
    std::vector<std::int64_t> expected;
    for (std::int64_t id = after + 1; id <= 20; ++id) expected.push_back(id);
    EXPECT_EQ(all[static_cast<std::size_t>(after)]->ids, expected) << "after " << after;
  }
}

TEST_F(EventTailerTest, AWindowThatOverflowsIsReadFromTheTable) {
  config_.window = 4;
  start();
  pass(absl::Seconds(1));
  for (std::int64_t id = 1; id <= 50; ++id) log_.commit(id);
  pass(absl::Seconds(1));
  Watched& watched = watch("epoch-1", 0);
  pass(absl::Seconds(1));
  ASSERT_EQ(watched.ids.size(), 50U);
  EXPECT_EQ(watched.ids.front(), 1);
  EXPECT_EQ(watched.ids.back(), 50);
}

TEST_F(EventTailerTest, PositionsOfAnotherDatabaseOrBelowTheFloorAreExpired) {
  log_.meta.events_floor = 5;
  start();
  pass(absl::Seconds(1));
  Watched& other = watch("other", 9);
  Watched& old = watch("epoch-1", 4);
  Watched& good = watch("epoch-1", 5);
  pass(absl::Seconds(1));
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status)) << other.status;
  EXPECT_TRUE(absl::IsFailedPrecondition(old.status)) << old.status;
  EXPECT_TRUE(good.status.ok()) << good.status;
}

TEST_F(EventTailerTest, AHeartbeatComesWhenNothingHappens) {
  start();
  pass(absl::Seconds(1));
  log_.commit(3);
  pass(absl::Seconds(1));
  Watched& watched = watch("epoch-1", 3);
  pass(absl::Seconds(6));
  EXPECT_EQ(watched.upto, 3);
  EXPECT_TRUE(watched.ids.empty());
}

}  // namespace
}  // namespace renderyard::dispatcher
