// The store suite on the fake database: once over a link without latency, once over one that lets calls overtake each
// other and keeps transactions open for a while.
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>

#include "libs/common/base/group.h"
#include "libs/common/testing/fake_cancel_store.h"
#include "libs/common/testing/fake_database.h"
#include "libs/common/testing/fake_dispatch_store.h"
#include "libs/common/testing/fake_event_log.h"
#include "libs/common/testing/fake_execution_store.h"
#include "libs/common/testing/fake_instance_store.h"
#include "libs/common/testing/fake_job_store.h"
#include "libs/common/testing/fake_operator_store.h"
#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

// Each step of a call waits for a few turns of the event loop, a seeded number of them.
class OvertakingLink final : public testing::DatabaseLink {
 public:
  OvertakingLink(boost::asio::io_context& io, base::Random& random) : io_(io), random_(random) {}

  void call(std::shared_ptr<testing::DatabaseCall> call) override {
    later(random_.below(4), [this, call] {
      call->begin();
      // Some stay open for long, so that many others commit later numbers before them.
      const bool held = call->writes() && random_.chance(0.1);
      later(random_.below(held ? 100 : 6), [this, call] {
        call->commit();
        later(random_.below(4), [call] { call->reply(absl::OkStatus()); });
      });
    });
  }

 private:
  void later(std::uint64_t turns, std::function<void()> step) {
    boost::asio::post(io_, [this, turns, step = std::move(step)] {
      if (turns == 0) return step();
      later(turns - 1, step);
    });
  }

  boost::asio::io_context& io_;
  base::Random& random_;
};

class FakeWorld final : public StoreWorld {
 public:
  explicit FakeWorld(bool overtaking) {
    if (overtaking) {
      link_ = std::make_unique<OvertakingLink>(io_, random_);
    } else {
      link_ = std::make_unique<testing::ImmediateLink>();
    }
  }

  ~FakeWorld() override {
    // Only the case that tries illegal edges may leave some behind.
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    if (name.find("IllegalEdges") == std::string::npos) {
      EXPECT_TRUE(database_.defects().empty()) << database_.defects().front();
    }
    strand_.drop_all();
  }

  Stores client(int n) override {
    auto& client = clients_.at(static_cast<std::size_t>(n));
    if (!client) client = std::make_unique<Client>(strand_, database_, *link_);
    return Stores{client->jobs,   client->dispatch,  client->executions, client->instances,
                  client->events, client->operators, client->cancels};
  }

  base::Strand& strand() override { return strand_; }

  absl::Status run(base::Task<absl::Status> task) override {
    std::optional<absl::Status> result;
    base::spawn_root(strand_, std::move(task), [&result](absl::Status status) { result = std::move(status); });
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    io_.restart();
    while (!result && io_.run_one_until(limit) > 0) {
    }
    if (!result) {
      strand_.drop_all();
      return absl::DeadlineExceededError("the task did not end");
    }
    return *result;
  }

  ports::UserId make_user(const std::string& name, ports::Role role, const std::string& token_sha256) override {
    return database_.add_user(name, role, token_sha256);
  }
  void revoke_token(const std::string& token_sha256) override { database_.revoke_token(token_sha256); }
  void expire_lease(ports::InstanceId instance) override { database_.expire_lease(instance); }
  void end_pause(ports::JobId job) override { database_.end_pause(job); }
  void end_wait(ports::JobId job) override { database_.end_wait(job); }
  void age_adoption(ports::ExecutionId execution) override { database_.age_adoption(execution); }
  void occupy_slot(ports::InstanceId instance, int slot, ports::ExecutionId execution) override {
    testing::Transaction transaction(database_, testing::Transaction::Kind::kWrites);
    transaction.set_slot(testing::SlotKey(instance, slot), execution);
    transaction.commit();
  }
  std::function<void()> open_writing_transaction() override {
    auto transaction = std::make_shared<testing::Transaction>(database_, testing::Transaction::Kind::kWrites);
    transaction->draw_event_ids(1);
    return [transaction] { transaction->rollback(); };
  }

 private:
  struct Client {
    Client(base::Strand& strand, testing::FakeDatabase& database, testing::DatabaseLink& link)
        : jobs(strand, database, link),
          dispatch(strand, database, link),
          executions(strand, database, link),
          instances(strand, database, link),
          events(strand, database, link),
          operators(strand, database, link),
          cancels(strand, database, link) {}
    testing::FakeJobStore jobs;
    testing::FakeDispatchStore dispatch;
    testing::FakeExecutionStore executions;
    testing::FakeInstanceStore instances;
    testing::FakeEventLog events;
    testing::FakeOperatorStore operators;
    testing::FakeCancelStore cancels;
  };

  boost::asio::io_context io_;
  base::Strand strand_{io_.get_executor()};
  base::SplitMix random_{99};
  // Like clock_timestamp(): no two readings are the same.
  absl::Time now_ = absl::FromUnixSeconds(1700000000);
  testing::FakeDatabase database_{[this] { return now_ += absl::Microseconds(1); },
                                  "6f1c1d52-3c0e-4b5e-9d3f-0d2a4f6b8c1e"};
  std::unique_ptr<testing::DatabaseLink> link_;
  std::array<std::unique_ptr<Client>, 8> clients_;
};

std::unique_ptr<StoreWorld> make_immediate() {
  return std::make_unique<FakeWorld>(false);
}
std::unique_ptr<StoreWorld> make_overtaking() {
  return std::make_unique<FakeWorld>(true);
}

INSTANTIATE_TEST_SUITE_P(Fake, StoreSuite,
                         ::testing::Values(StoreWorldParam{"immediate", &make_immediate},
                                           StoreWorldParam{"overtaking", &make_overtaking}),
                         store_world_name);

}  // namespace
}  // namespace renderyard::conformance
