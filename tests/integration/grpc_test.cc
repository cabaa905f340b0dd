#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "libs/common/runtime/grpc/call.h"
#include "renderyard/v1/bridge.grpc.pb.h"
#include "tests/integration/grpc_fixture.h"

namespace renderyard::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ports::Progress progress(int percent, std::size_t size = 0) {
  ports::Progress result;
  result.job_id = {1};
  result.user_id = {2};
  result.execution_id = {3};
  result.owner_epoch = {4};
  result.instance_id = {5};
  result.percent = percent;
  result.current_node = "6";
  result.node_class = "KSampler";
  result.node_title = std::string(size, 't');
  result.at = absl::FromUnixMillis(1'767'323'045'678);
  return result;
}

// Named: an await takes no braced list.
constexpr ports::ExecutionId kNoExecution{0};
constexpr ports::ExecutionId kFirst{1};
constexpr ports::ExecutionId kSeventh{7};
constexpr ports::InstanceId kInstance{1};
constexpr ports::ExecutionId kEighth{8};

// BridgeService whose only method hangs until it is cancelled.
class HangingBridge final : public v1::BridgeService::CallbackService {
 public:
  HangingBridge(std::shared_ptr<runtime::ServerCore> core, RealLoop& loop)
      : seen(loop.strand(), loop.clock()), core_(std::move(core)), never_(loop.strand(), loop.clock()) {}

  grpc::ServerUnaryReactor* SubmitExecution(grpc::CallbackServerContext* context,
                                            const v1::SubmitExecutionRequest* request,
                                            v1::SubmitExecutionResponse* reply) override {
    return runtime::serve_unary(core_, context, request, reply, [this](v1::SubmitExecutionRequest) { return hang(); });
  }

  int begun = 0;
  int cancelled = 0;
  base::Event seen;

 private:
  base::Task<absl::StatusOr<v1::SubmitExecutionResponse>> hang() {
    ++begun;
    seen.notify();
    const absl::Status status = co_await never_.wait_until(absl::InfiniteFuture());
    if (absl::IsCancelled(status)) ++cancelled;
    seen.notify();
    co_return status;
  }

  std::shared_ptr<runtime::ServerCore> core_;
  base::Event never_;
};

class HangingTest : public GrpcTest {
 protected:
  void start(runtime::GrpcServer::Config config) {
    server_ = std::make_unique<runtime::GrpcServer>(
        runtime::GrpcServer::Deps{loop_.strand(), loop_.clock(), loop_.journal()}, std::move(config));
    hanging_ = std::make_unique<HangingBridge>(server_->core(), loop_);
    server_->add(*hanging_, "renderyard.v1.BridgeService");
    ASSERT_EQ(server_->start(), absl::OkStatus());
    make_clients({});
  }

  base::Task<absl::Status> call(absl::Time deadline, absl::Status* result) {
    *result = co_await bridges_->submit_execution(address(), kFirst, kInstance, deadline);
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> until_cancelled(int count) {
    while (hanging_->cancelled < count) {
      CO_RETURN_IF_ERROR(co_await hanging_->seen.wait_until(absl::InfiniteFuture()));
    }
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> until_begun(int count) {
    while (hanging_->begun < count) {
      CO_RETURN_IF_ERROR(co_await hanging_->seen.wait_until(absl::InfiniteFuture()));
    }
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> call_and_see_cancel(absl::Time deadline, absl::Status* result) {
    CO_RETURN_IF_ERROR(co_await call(deadline, result));
    co_return co_await until_cancelled(1);
  }

  base::Task<absl::Status> cancel_in_flight(absl::Status* result) {
    base::Group group(loop_.strand());
    group.spawn(call(absl::InfiniteFuture(), result));
    CO_RETURN_IF_ERROR(co_await until_begun(1));
    group.cancel();
    CO_RETURN_IF_ERROR(co_await group.join());
    co_return co_await until_cancelled(1);
  }

  base::Task<absl::Status> overload(absl::Status* refused) {
    absl::Status first;
    base::Group group(loop_.strand());
    group.spawn(call(absl::InfiniteFuture(), &first));
    CO_RETURN_IF_ERROR(co_await until_begun(1));
    const absl::Status second = co_await call(soon(), refused);
    group.cancel();
    CO_RETURN_IF_ERROR(co_await group.join());
    co_return second;
  }

  base::Task<absl::Status> drain_in_flight(absl::Status* result, absl::Status* late) {
    base::Group group(loop_.strand());
    group.spawn(call(soon(), result));
    CO_RETURN_IF_ERROR(co_await until_begun(1));
    server_->stop_accepting();
    CO_RETURN_IF_ERROR(co_await call(soon(), late));
    CO_RETURN_IF_ERROR(co_await stop());
    co_return co_await group.join();
  }

  std::unique_ptr<HangingBridge> hanging_;
};

TEST_F(HangingTest, TheCallersDeadlineEndsCallAndHandler) {
  start({});
  absl::Status result;
  ASSERT_EQ(run_and_stop(call_and_see_cancel(loop_.clock().now() + absl::Milliseconds(100), &result)),
            absl::OkStatus());
  EXPECT_TRUE(absl::IsDeadlineExceeded(result)) << result;
}

TEST_F(HangingTest, ACallWithoutDeadlineGetsTheServers) {
  start({.default_deadline = absl::Milliseconds(100)});
  absl::Status result;
  ASSERT_EQ(run_and_stop(call_and_see_cancel(absl::InfiniteFuture(), &result)), absl::OkStatus());
  EXPECT_TRUE(absl::IsDeadlineExceeded(result)) << result;
}

TEST_F(HangingTest, ACancelledCallerCancelsTheHandler) {
  start({});
  absl::Status result;
  ASSERT_EQ(run_and_stop(cancel_in_flight(&result)), absl::OkStatus());
  EXPECT_TRUE(absl::IsCancelled(result)) << result;
}

TEST_F(HangingTest, TooManyCallsAreRefused) {
  start({.max_calls = 1});
  absl::Status refused;
  ASSERT_EQ(run_and_stop(overload(&refused)), absl::OkStatus());
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
}

TEST_F(HangingTest, DrainEndsWhatRunsAndRefusesWhatComes) {
  start({});
  absl::Status result;
  absl::Status late;
  ASSERT_EQ(run_and_stop(drain_in_flight(&result, &late)), absl::OkStatus());
  EXPECT_EQ(result, absl::UnavailableError("shutting down"));
  EXPECT_EQ(late, absl::UnavailableError("shutting down"));
}

class PeersTest : public GrpcTest {
 protected:
  base::Task<absl::Status> wake_some() {
    CO_RETURN_IF_ERROR(co_await bridges_->submit_execution(address(), kSeventh, kInstance, soon()));
    CO_RETURN_IF_ERROR(co_await bridges_->submit_execution(address(), kEighth, kInstance, soon()));
    const absl::Status none = co_await bridges_->submit_execution(address(), kNoExecution, kInstance, soon());
    EXPECT_TRUE(absl::IsInvalidArgument(none));
    EXPECT_THAT(std::string(none.message()), HasSubstr("execution_id"));
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> call_nobody() {
    const absl::Status status = co_await bridges_->submit_execution("127.0.0.1:1", kSeventh, kInstance, soon());
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    auto stream = bridges_->progress("127.0.0.1:1");
    const auto item = co_await stream->next();
    EXPECT_TRUE(absl::IsUnavailable(item.status())) << item.status();
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> read_progress() {
    auto stream = bridges_->progress(address());
    for (int percent = 0; percent < 100; ++percent) {
      ASSIGN_OR_CO_RETURN(const auto item, co_await stream->next());
      if (!item) co_return absl::DataLossError("ended early");
      EXPECT_EQ(item->percent, percent);
      if (percent == 40) {
        EXPECT_EQ(item->job_id.value, 1);
        EXPECT_EQ(item->user_id.value, 2);
        EXPECT_EQ(item->execution_id.value, 3);
        EXPECT_EQ(item->owner_epoch.value, 4);
        EXPECT_EQ(item->instance_id.value, 5);
        EXPECT_EQ(item->current_node, "6");
        EXPECT_EQ(item->node_class, "KSampler");
        EXPECT_EQ(item->at, absl::FromUnixMillis(1'767'323'045'678));
      }
    }
    ASSIGN_OR_CO_RETURN(const auto end, co_await stream->next());
    EXPECT_FALSE(end);
    ASSIGN_OR_CO_RETURN(const auto again, co_await stream->next());
    EXPECT_FALSE(again);
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> read_events() {
    auto stream = dispatchers_->events(address(), "epoch-1", 41);
    ASSIGN_OR_CO_RETURN(const auto batch, co_await stream->next());
    if (!batch) co_return absl::DataLossError("ended early");
    EXPECT_EQ(events_.asked_epoch, "epoch-1");
    EXPECT_EQ(events_.asked_after, 41);
    EXPECT_EQ(batch->epoch, "epoch-1");
    EXPECT_EQ(batch->upto, 43);
    if (batch->events.size() != 2) co_return absl::DataLossError("not two events");
    EXPECT_EQ(batch->events[0].id, 42);
    EXPECT_EQ(batch->events[0].type, ports::event_type::kStarted);
    EXPECT_EQ(batch->events[0].execution_id, ports::ExecutionId{9});
    EXPECT_EQ(batch->events[0].data_json, R"({"attempt":1})");
    EXPECT_EQ(batch->events[0].created_at, absl::FromUnixNanos(1'767'323'045'678'901'000));
    EXPECT_EQ(batch->events[1].seq, 3);
    EXPECT_EQ(batch->events[1].execution_id, std::nullopt);
    ASSIGN_OR_CO_RETURN(const auto heartbeat, co_await stream->next());
    EXPECT_TRUE(heartbeat && heartbeat->events.empty());
    const auto expired = co_await stream->next();
    EXPECT_EQ(expired.status(), absl::FailedPreconditionError("position_expired: below the floor"));
    auto from_now = dispatchers_->events(address(), "", std::nullopt);
    const auto ended = co_await from_now->next();
    EXPECT_EQ(events_.asked_after, std::nullopt);
    EXPECT_FALSE(ended.ok());
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> drop_stream() {
    {
      auto stream = bridges_->progress(address());
      ASSIGN_OR_CO_RETURN(const auto item, co_await stream->next());
      EXPECT_TRUE(item);
      EXPECT_EQ(bridge_.progress.open, 1);
    }
    CO_RETURN_IF_ERROR(co_await until_open(&bridge_.progress, 0));
    // Dropped before anything was read.
    bridges_->progress(address()).reset();
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> read_one(base::Stream<ports::Progress>* stream, absl::Status* result) {
    const auto item = co_await stream->next();
    *result = item.status();
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> cancelled_next() {
    auto stream = bridges_->progress(address());
    absl::Status result;
    {
      base::Group group(loop_.strand());
      group.spawn(read_one(stream.get(), &result));
      CO_RETURN_IF_ERROR(co_await until_open(&bridge_.progress, 1));
      group.cancel();
      CO_RETURN_IF_ERROR(co_await group.join());
    }
    EXPECT_TRUE(absl::IsCancelled(result)) << result;
    // The stream lives: what comes now is not lost.
    bridge_.progress.items.push_back(progress(17));
    bridge_.progress.more.notify();
    ASSIGN_OR_CO_RETURN(const auto item, co_await stream->next());
    EXPECT_TRUE(item && item->percent == 17);
    co_return absl::OkStatus();
  }

  // Until the source is asked no more for a while: the transport's window is full.
  base::Task<absl::Status> until_stalled() {
    absl::Status status;
    while (status.ok()) {
      const absl::Time until = loop_.clock().now() + absl::Milliseconds(300);
      status = co_await bridge_.progress.seen.wait_until(until);
    }
    if (absl::IsDeadlineExceeded(status)) co_return absl::OkStatus();
    co_return status;
  }

  base::Task<absl::Status> slow_reader(int count, std::size_t size) {
    auto stream = bridges_->progress(address());
    CO_RETURN_IF_ERROR(co_await until_open(&bridge_.progress, 1));
    CO_RETURN_IF_ERROR(co_await until_stalled());
    EXPECT_GT(bridge_.progress.given, 0);
    EXPECT_LT(static_cast<std::size_t>(bridge_.progress.given) * size, std::size_t{16} << 20U);
    for (int i = 0; i < count; ++i) {
      ASSIGN_OR_CO_RETURN(const auto item, co_await stream->next());
      if (!item || item->percent != i) co_return absl::DataLossError("not in order");
    }
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> drain_streams(bool stalled) {
    auto stream = bridges_->progress(address());
    absl::Status result;
    base::Group group(loop_.strand());
    if (stalled) {
      CO_RETURN_IF_ERROR(co_await until_open(&bridge_.progress, 1));
      CO_RETURN_IF_ERROR(co_await until_stalled());
    } else {
      group.spawn(read_one(stream.get(), &result));
      CO_RETURN_IF_ERROR(co_await until_open(&bridge_.progress, 1));
    }
    const absl::Time begun = loop_.clock().now();
    CO_RETURN_IF_ERROR(co_await stop());
    EXPECT_LT(loop_.clock().now() - begun, absl::Seconds(3));
    EXPECT_EQ(bridge_.progress.open, 0);
    CO_RETURN_IF_ERROR(co_await group.join());
    if (!stalled) EXPECT_EQ(result, absl::UnavailableError("shutting down"));
    co_return absl::OkStatus();
  }
};

TEST_F(PeersTest, AWakeUpArrives) {
  EXPECT_EQ(with_server(wake_some()), absl::OkStatus());
  EXPECT_THAT(bridge_.woken, ElementsAre(7, 8));
}

TEST_F(PeersTest, NobodyThereIsUnavailable) {
  EXPECT_EQ(with_server(call_nobody()), absl::OkStatus());
}

TEST_F(PeersTest, ProgressComesInOrderAndComplete) {
  for (int percent = 0; percent < 100; ++percent) bridge_.progress.items.push_back(progress(percent));
  bridge_.progress.end = absl::OkStatus();
  EXPECT_EQ(with_server(read_progress()), absl::OkStatus());
}

TEST_F(PeersTest, EventsAndTheEndOfTheirStreamComeAsTheyWere) {
  ports::EventBatch batch;
  batch.epoch = "epoch-1";
  batch.upto = 43;
  ports::JobEvent event;
  event.id = 42;
  event.job_id = {1};
  event.seq = 2;
  event.user_id = {6};
  event.type = ports::event_type::kStarted;
  event.execution_id = ports::ExecutionId{9};
  event.data_json = R"({"attempt":1})";
  event.created_at = absl::FromUnixNanos(1'767'323'045'678'901'000);
  batch.events.push_back(event);
  event.id = 43;
  event.seq = 3;
  event.execution_id.reset();
  batch.events.push_back(event);
  events_.events.items = {batch, {.epoch = "epoch-1", .upto = 50, .events = {}}};
  events_.events.end = absl::FailedPreconditionError("position_expired: below the floor");
  EXPECT_EQ(with_server(read_events()), absl::OkStatus());
}

TEST_F(PeersTest, ADroppedStreamEndsItsSource) {
  bridge_.progress.items.push_back(progress(1));
  EXPECT_EQ(with_server(drop_stream()), absl::OkStatus());
  EXPECT_EQ(bridge_.progress.open, 0);
}

TEST_F(PeersTest, ACancelledReadLosesNothing) {
  EXPECT_EQ(with_server(cancelled_next()), absl::OkStatus());
}

TEST_F(PeersTest, ASlowReaderHoldsTheSourceBack) {
  constexpr int kCount = 1000;
  constexpr std::size_t kSize = 65536;
  for (int i = 0; i < kCount; ++i) bridge_.progress.items.push_back(progress(i, kSize));
  EXPECT_EQ(with_server(slow_reader(kCount, kSize)), absl::OkStatus());
}

TEST_F(PeersTest, DrainEndsAnIdleStream) {
  EXPECT_EQ(with_server(drain_streams(false)), absl::OkStatus());
}

TEST_F(PeersTest, DrainEndsAStalledStream) {
  for (int i = 0; i < 1000; ++i) bridge_.progress.items.push_back(progress(i, 65536));
  EXPECT_EQ(with_server(drain_streams(true)), absl::OkStatus());
}

TEST_F(PeersTest, AnAddressInUseIsSaid) {
  make_server({});
  ASSERT_EQ(server_->start(), absl::OkStatus());
  runtime::GrpcServer second({loop_.strand(), loop_.clock(), loop_.journal()}, {.listen = server_->address()});
  EXPECT_TRUE(absl::IsUnavailable(second.start()));
}

}  // namespace
}  // namespace renderyard::test
