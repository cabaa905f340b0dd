// The simulated network and database link: effects happen although the caller died, a dead peer answers, a stopped one
// does not, streams keep their order and break for both ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "libs/common/base/bounded_queue.h"
#include "libs/common/base/status_macros.h"
#include "libs/common/testing/plain_call.h"
#include "libs/common/testing/sim/network.h"
#include "libs/common/testing/sim/sim_database_link.h"

namespace renderyard::testing::sim {
namespace {

using base::Task;

constexpr char kAddress[] = "bridge:1";

// A bridge that counts what reaches it.
struct Server {
  explicit Server(Process& process) : queue(process.strand(), process.clock(), 100) {}
  int woken = 0;
  int watchers = 0;
  base::BoundedQueue<int> queue;
};

class ProgressStream final : public base::Stream<ports::Progress> {
 public:
  explicit ProgressStream(Server& server) : server_(server) { ++server_.watchers; }
  ~ProgressStream() override { --server_.watchers; }
  Task<absl::StatusOr<std::optional<ports::Progress>>> next() override {
    const absl::Time never = absl::InfiniteFuture();
    auto percent = co_await server_.queue.pop(never);
    if (!percent.ok()) co_return percent.status();
    if (!percent->has_value()) co_return std::optional<ports::Progress>();
    ports::Progress progress;
    progress.percent = **percent;
    co_return std::optional<ports::Progress>(std::move(progress));
  }

 private:
  Server& server_;
};

class NetworkTest : public ::testing::Test {
 protected:
  NetworkTest() { serve(); }
  // Streams end by the network, which is gone before the world is.
  ~NetworkTest() override {
    for (const auto& process : world_.processes()) world_.kill(*process);
  }

  void serve() {
    bridge_ = &world_.start("bridge");
    server_ = &bridge_->make<Server>(*bridge_);
    BridgeEndpoint endpoint;
    endpoint.wake = [server = server_](base::ExecutionId, base::InstanceId) { ++server->woken; };
    endpoint.progress = [server = server_] { return std::make_unique<ProgressStream>(*server); };
    network_.serve(kAddress, *bridge_, std::move(endpoint));
  }

  void call(absl::Duration deadline) { client_->spawn(call_once(bridges_.get(), world_.now() + deadline, &answers_)); }
  static Task<absl::Status> call_once(ports::BridgeClient* bridges, absl::Time deadline,
                                      std::vector<absl::Status>* answers) {
    const base::ExecutionId id{7};
    const base::InstanceId instance{1};
    std::string address = kAddress;
    answers->push_back(co_await bridges->submit_execution(std::move(address), id, instance, deadline));
    co_return absl::OkStatus();
  }
  void listen() { client_->spawn(listen_all(bridges_.get(), &percents_, &end_)); }
  static Task<absl::Status> listen_all(ports::BridgeClient* bridges, std::vector<int>* percents,
                                       std::optional<absl::Status>* end) {
    base::StreamPtr<ports::Progress> stream = bridges->progress(kAddress);
    for (;;) {
      auto progress = co_await stream->next();
      if (!progress.ok() || !progress->has_value()) {
        *end = progress.status();
        co_return absl::OkStatus();
      }
      percents->push_back((*progress)->percent);
    }
  }
  void wait(absl::Duration d) { world_.run_to(world_.now() + d); }

  World world_{11};
  SimNetwork network_{world_};
  Process* client_ = &world_.start("client");
  std::unique_ptr<SimBridgeClient> bridges_ = std::make_unique<SimBridgeClient>(*client_, network_);
  Process* bridge_ = nullptr;
  Server* server_ = nullptr;
  std::vector<absl::Status> answers_;
  std::vector<int> percents_;
  std::optional<absl::Status> end_;
};

TEST_F(NetworkTest, ACallReachesThePeerAndIsAnswered) {
  call(absl::Seconds(1));
  wait(absl::Seconds(1));
  EXPECT_EQ(server_->woken, 1);
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_TRUE(answers_[0].ok());
}

TEST_F(NetworkTest, TheEffectHappensAlthoughTheCallerDied) {
  call(absl::Seconds(1));
  world_.run_until([&] { return client_->strand().waiting() > 0; }, world_.now());
  world_.kill(*client_);
  wait(absl::Seconds(1));
  EXPECT_EQ(server_->woken, 1);
  EXPECT_TRUE(answers_.empty());
}

TEST_F(NetworkTest, ADeadPeerRefusesAndAStoppedOneSaysNothing) {
  world_.stop(*bridge_);
  call(absl::Seconds(1));
  wait(absl::Seconds(2));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_TRUE(absl::IsDeadlineExceeded(answers_[0]));
  EXPECT_EQ(server_->woken, 0);
  world_.resume(*bridge_);
  wait(absl::Seconds(1));
  EXPECT_EQ(server_->woken, 1) << "late, after the caller gave up";
  world_.kill(*bridge_);
  call(absl::Seconds(1));
  wait(absl::Seconds(1));
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_TRUE(absl::IsUnavailable(answers_[1]));
}

TEST_F(NetworkTest, CallsMayBeLostUnheardAndDoubled) {
  network_.weather().lost = 1;
  call(absl::Seconds(1));
  wait(absl::Seconds(1));
  EXPECT_EQ(server_->woken, 0);
  EXPECT_TRUE(absl::IsUnavailable(answers_[0]));
  network_.weather().lost = 0;
  network_.weather().unheard = 1;
  call(absl::Seconds(1));
  wait(absl::Seconds(1));
  EXPECT_EQ(server_->woken, 1);
  EXPECT_TRUE(absl::IsUnavailable(answers_[1]));
  network_.weather().unheard = 0;
  network_.weather().doubled = 1;
  call(absl::Seconds(1));
  wait(absl::Seconds(5));
  EXPECT_EQ(server_->woken, 3);
  EXPECT_TRUE(answers_[2].ok());
}

TEST_F(NetworkTest, AStreamKeepsItsOrder) {
  listen();
  wait(absl::Seconds(1));
  for (int i = 1; i <= 50; ++i) server_->queue.try_push(i);
  wait(absl::Seconds(1));
  ASSERT_EQ(percents_.size(), 50u);
  EXPECT_TRUE(std::is_sorted(percents_.begin(), percents_.end()));
  EXPECT_EQ(server_->watchers, 1);
}

TEST_F(NetworkTest, AStreamEndsForBothWhenItBreaksOrOneDies) {
  listen();
  wait(absl::Seconds(1));
  network_.break_streams();
  wait(absl::Seconds(1));
  EXPECT_TRUE(end_ && absl::IsUnavailable(*end_));
  EXPECT_EQ(server_->watchers, 0);

  end_.reset();
  listen();
  wait(absl::Seconds(1));
  EXPECT_EQ(server_->watchers, 1);
  world_.kill(*client_);
  wait(absl::Seconds(1));
  EXPECT_EQ(server_->watchers, 0) << "the server hears that the client is gone";

  client_ = &world_.start("client");
  bridges_ = std::make_unique<SimBridgeClient>(*client_, network_);
  listen();
  wait(absl::Seconds(1));
  world_.kill(*bridge_);
  wait(absl::Seconds(1));
  EXPECT_TRUE(end_ && absl::IsUnavailable(*end_));
  end_.reset();
  listen();
  wait(absl::Seconds(1));
  EXPECT_TRUE(end_ && absl::IsUnavailable(*end_)) << "nobody serves the address";
  serve();
  end_.reset();
  listen();
  wait(absl::Seconds(1));
  EXPECT_FALSE(end_.has_value());
}

TEST_F(NetworkTest, ABurstToAStoppedClientWaitsInItsBuffer) {
  listen();
  wait(absl::Seconds(1));
  world_.stop(*client_);
  server_->queue.try_push(1);
  server_->queue.try_push(2);
  wait(absl::Seconds(1));
  EXPECT_TRUE(percents_.empty());
  world_.resume(*client_);
  wait(absl::Seconds(1));
  EXPECT_EQ(percents_, (std::vector<int>{1, 2}));
}

class DatabaseLinkTest : public ::testing::Test {
 protected:
  void call(bool writes) { process_->spawn(call_once(process_, &link_, writes, &effects_, &answers_)); }
  static Task<absl::Status> call_once(Process* process, DatabaseLink* link, bool writes, int* effects,
                                      std::vector<absl::Status>* answers) {
    absl::AnyInvocable<absl::Status()> operation = [effects] {
      ++*effects;
      return absl::OkStatus();
    };
    answers->push_back(
        co_await plain_call<absl::Status>(process->strand(), *link, "test", writes, std::move(operation)));
    co_return absl::OkStatus();
  }
  void wait(absl::Duration d) { world_.run_to(world_.now() + d); }

  World world_{3};
  Process* process_ = &world_.start("p");
  DatabaseWeather weather_;
  SimDatabaseLink link_{*process_, weather_};
  int effects_ = 0;
  std::vector<absl::Status> answers_;
};

TEST_F(DatabaseLinkTest, AwayMeansThatNothingHappened) {
  weather_.away = true;
  call(true);
  call(false);
  wait(absl::Seconds(5));
  EXPECT_EQ(effects_, 0);
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_TRUE(absl::IsUnavailable(answers_[0]) && absl::IsUnavailable(answers_[1]));
}

TEST_F(DatabaseLinkTest, AnAnswerMayBeLostAfterTheCommit) {
  weather_.answer_lost = 1;
  call(true);
  call(false);
  wait(absl::Seconds(5));
  EXPECT_EQ(effects_, 2);
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_NE(answers_[0].ok(), answers_[1].ok()) << "reads are answered, writes are not";
}

TEST_F(DatabaseLinkTest, ADeadCallersWriteHappensOrNot) {
  int happened = 0;
  for (int i = 0; i < 200; ++i) {
    effects_ = 0;
    call(true);
    world_.run_until([&] { return process_->strand().waiting() > 0; }, world_.now());
    world_.kill(*process_);
    wait(absl::Seconds(1));
    happened += effects_;
    process_ = &world_.start("p");
    std::destroy_at(&link_);
    std::construct_at(&link_, *process_, weather_);
  }
  EXPECT_GT(happened, 50);
  EXPECT_LT(happened, 150);
}

TEST_F(DatabaseLinkTest, ObserversAreToldOfEveryCommit) {
  int commits = 0;
  weather_.committed = [&](std::string_view name) { commits += name == "test" ? 1 : 0; };
  call(true);
  call(false);
  wait(absl::Seconds(1));
  EXPECT_EQ(commits, 1);
}

}  // namespace
}  // namespace renderyard::testing::sim
