// The bridge's events over gRPC to readers that do not read: flow control reaches the feed, so that theirs ends with
// RESOURCE_EXHAUSTED and a name, while a quick reader of the same server gets every event.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "renderyard/v1/bridge.grpc.pb.h"
#include "services/bridge/event_feed.h"
#include "services/bridge/progress_feed.h"
#include "tests/integration/comfy/raw_server.h"
#include "tests/integration/grpc_fixture.h"

namespace renderyard::test {
namespace {

using testing::Flag;
using Reply = v1::BridgeServiceWatchEventsResponse;

class Counts final : public bridge::Observer {
 public:
  void subscribers(int now) override { open = now; }
  void slow_subscriber() override { ++slow; }
  int open = 0;
  int slow = 0;
};

class FeedApi final : public bridge::BridgeApi {
 public:
  FeedApi(bridge::EventFeed& events, bridge::ProgressFeed& progress) : events_(events), progress_(progress) {}
  void wake(ports::ExecutionId, ports::InstanceId) override {}
  base::StreamPtr<ports::Progress> watch_progress() override { return progress_.watch(); }
  base::StreamPtr<ports::BridgeEvent> watch_events(bool previews) override { return events_.watch(previews); }

 private:
  bridge::EventFeed& events_;
  bridge::ProgressFeed& progress_;
};

// One call, on a thread of its own.
class Reader {
 public:
  // Reads from when `gate` is set.
  Reader(const std::string& address, Flag& gate)
      : stub_(v1::BridgeService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        thread_([this, &gate] { run(gate); }) {}
  ~Reader() {
    context_.TryCancel();
    thread_.join();
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // Any thread.
  std::atomic<int> nodes{0};
  std::atomic<int> progresses{0};
  std::atomic<int> last_percent{-1};
  std::atomic<int> states{0};
  std::atomic<bool> in_order{true};
  std::atomic<bool> ended{false};
  grpc::Status end;  // when ended

 private:
  void run(Flag& gate) {
    const auto call = stub_->WatchEvents(&context_, v1::BridgeServiceWatchEventsRequest());
    gate.wait();
    Reply reply;
    while (call->Read(&reply)) take(reply);
    end = call->Finish();
    ended = true;
  }
  void take(const Reply& reply) {
    if (reply.has_node_started()) ++nodes;
    if (reply.has_instance()) {
      in_order = in_order && reply.instance().reconnect_attempts() == states;
      ++states;
    }
    if (!reply.has_progress()) return;
    const int percent = reply.progress().progress().percent();
    in_order = in_order && percent > last_percent;
    last_percent = percent;
    ++progresses;
  }

  grpc::ClientContext context_;
  std::unique_ptr<v1::BridgeService::Stub> stub_;
  std::thread thread_;
};

class SlowStreamsTest : public GrpcTest {
 protected:
  void serve() {
    server_ = std::make_unique<runtime::GrpcServer>(
        runtime::GrpcServer::Deps{loop_.strand(), loop_.clock(), loop_.journal()}, runtime::GrpcServer::Config());
    bridge_service_ = bridge::make_bridge_service(server_->core(), api_, {cancels_, cancel_hints_, loop_.clock()});
    server_->add(*bridge_service_, "renderyard.v1.BridgeService");
    ASSERT_EQ(server_->start(), absl::OkStatus());
    open_.set();
  }

  void node() {
    ports::NodeStarted started;
    started.node_id = "5";
    started.node_title = std::string(1000, 't');
    feed_.publish(std::move(started));
  }
  void state(int n) {
    ports::InstanceNews news;
    news.id = {1};
    news.reconnect_attempts = n;
    feed_.publish(std::move(news));
  }
  void progress(int percent) {
    ports::ProgressNews news;
    news.progress.execution_id = {7};
    news.progress.percent = percent;
    news.progress.message = std::string(1000, 'm');
    feed_.publish(std::move(news));
  }

  // Looks at the other threads now and then: they have no way to wake this one.
  template <class Done>
  base::Task<absl::Status> until(Done done) {
    while (!done()) CO_RETURN_IF_ERROR(co_await loop_.clock().sleep_for(absl::Milliseconds(1)));
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> flood(Reader& quick, Reader& slow) {
    const auto both_watch = [this] { return counts_.open == 2; };
    CO_RETURN_IF_ERROR(co_await until(both_watch));
    for (int batch = 0; batch < kBatches; ++batch) {
      for (int n = 0; n < kOfABatch; ++n) node();
      state(batch);
      const auto read = [&quick, batch] { return quick.states == batch + 1; };
      CO_RETURN_IF_ERROR(co_await until(read));
    }
    gate_.set();
    const auto ended = [&slow] { return slow.ended.load(); };
    CO_RETURN_IF_ERROR(co_await until(ended));
    // The quick one goes on.
    node();
    const auto all_read = [&quick] { return quick.nodes == kBatches * kOfABatch + 1; };
    CO_RETURN_IF_ERROR(co_await until(all_read));
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> tell_progress(Reader& quick, Reader& slow) {
    const auto both_watch = [this] { return counts_.open == 2; };
    CO_RETURN_IF_ERROR(co_await until(both_watch));
    state(0);
    for (int percent = 0; percent < kProgresses; ++percent) {
      progress(percent);
      if (percent % 100 != 0) continue;
      const auto read = [&quick, percent] { return quick.last_percent == percent; };
      CO_RETURN_IF_ERROR(co_await until(read));
    }
    state(1);
    const auto all_read = [&quick] { return quick.states == 2; };
    CO_RETURN_IF_ERROR(co_await until(all_read));
    gate_.set();
    const auto last_read = [&slow] { return slow.states == 2 && slow.last_percent == kProgresses - 1; };
    CO_RETURN_IF_ERROR(co_await until(last_read));
    co_return absl::OkStatus();
  }

  static constexpr int kBatches = 60;
  static constexpr int kOfABatch = 500;  // 30 MB of events: more than any window, and than the backlog
  static constexpr int kProgresses = 30'000;

  Counts counts_;
  bridge::EventFeed feed_{loop_.strand(), loop_.clock(), counts_};
  bridge::ProgressFeed progress_{loop_.strand(), loop_.clock()};
  FeedApi api_{feed_, progress_};
  Flag open_;
  Flag gate_;
};

TEST_F(SlowStreamsTest, OneThatDoesNotReadEndsByNameAndTheOtherGetsEveryEvent) {
  serve();
  Reader quick(address(), open_);
  Reader slow(address(), gate_);
  ASSERT_EQ(run_and_stop(flood(quick, slow)), absl::OkStatus());
  EXPECT_EQ(slow.end.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << slow.end.error_message();
  EXPECT_THAT(slow.end.error_message(), ::testing::StartsWith("slow_subscriber: "));
  EXPECT_LT(slow.nodes, kBatches * kOfABatch);
  EXPECT_EQ(counts_.slow, 1);
  EXPECT_EQ(quick.nodes, kBatches * kOfABatch + 1);
  EXPECT_EQ(quick.states, kBatches);
  EXPECT_TRUE(quick.in_order);
}

TEST_F(SlowStreamsTest, ProgressForOneThatDoesNotReadCoalescesAndNoStateIsLost) {
  serve();
  Reader quick(address(), open_);
  Reader slow(address(), gate_);
  ASSERT_EQ(run_and_stop(tell_progress(quick, slow)), absl::OkStatus());
  EXPECT_LT(slow.progresses, kProgresses / 2) << "30 MB were queued for it";
  EXPECT_EQ(slow.last_percent, kProgresses - 1);
  EXPECT_TRUE(slow.in_order);
  EXPECT_EQ(slow.states, 2);
  EXPECT_EQ(counts_.slow, 0);
}

}  // namespace
}  // namespace renderyard::test
