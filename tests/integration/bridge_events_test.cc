// BridgeService.WatchEvents over a real connection.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "libs/common/adapters/grpc/outstanding.h"
#include "libs/common/adapters/grpc/read_stream.h"
#include "renderyard/v1/bridge.grpc.pb.h"
#include "tests/integration/grpc_fixture.h"

namespace renderyard::test {
namespace {

using Request = v1::BridgeServiceWatchEventsRequest;
using Reply = v1::BridgeServiceWatchEventsResponse;

ports::ExecutionRef ref() {
  ports::ExecutionRef ref;
  ref.job_id = {1};
  ref.user_id = {2};
  ref.execution_id = {3};
  ref.owner_epoch = {4};
  ref.instance_id = {5};
  ref.prompt_id = "prompt-6";
  return ref;
}

const absl::Time kAt = absl::FromUnixNanos(1'767'323'045'678'901'000);

class BridgeEventsTest : public GrpcTest {
 protected:
  base::StreamPtr<Reply> watch(bool previews) {
    auto call = std::make_shared<grpc_clients::ReadCall<Request, Reply>>(loop_.strand());
    call->request().set_previews(previews);
    std::shared_ptr<v1::BridgeService::Stub> stub =
        v1::BridgeService::NewStub(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
    call->start(outstanding_,
                [stub](grpc::ClientContext* context, const Request* request, grpc::ClientReadReactor<Reply>* reactor) {
                  stub->async()->WatchEvents(context, request, reactor);
                });
    return std::make_unique<grpc_clients::ReadStream<Request, Reply, Reply>>(loop_.strand(), std::move(call),
                                                                             [](const Reply& reply) { return reply; });
  }

  base::Task<absl::Status> read_all(bool previews) {
    auto stream = watch(previews);
    for (;;) {
      const auto reply = co_await stream->next();
      if (!reply.ok()) co_return reply.status();
      if (!reply->has_value()) co_return absl::OkStatus();
      replies_.push_back(**reply);
    }
  }

  std::vector<Reply> replies_;
  grpc_clients::Outstanding outstanding_;
};

TEST_F(BridgeEventsTest, EveryKindComesAsItWas) {
  ports::InstanceNews news;
  news.id = {5};
  news.owner_epoch = {4};
  news.status = ports::InstanceStatus::kReconnecting;
  news.reconnect_attempts = 3;
  news.reason = "refused";
  news.at = kAt;
  ports::ProgressNews progress;
  progress.progress.percent = 42;
  progress.progress.at = kAt;
  progress.prompt_id = "prompt-6";
  progress.progress.silent_since = kAt;
  ports::NodeStarted node{ref(), "7", "KSampler", "the sampler", kAt};
  ports::ExecutionEnded end;
  end.execution = ref();
  end.error = ports::JobError{"node_error", "no memory", "7", "KSampler"};
  end.outputs.resize(1);
  end.outputs[0].filename = "a.png";
  end.outputs[0].size_bytes = 9;
  end.at = kAt;
  ports::Preview preview{ref(), "7", "image/jpeg", std::make_shared<const std::string>("\xff\xd8\x00\x80", 4), kAt};
  bridge_.events.items = {news, progress, node, end, preview};
  bridge_.events.end = absl::OkStatus();
  ASSERT_EQ(with_server(read_all(true)), absl::OkStatus());
  EXPECT_TRUE(bridge_.asked_previews);
  ASSERT_EQ(replies_.size(), 5u);
  EXPECT_EQ(replies_[0].instance().status(), "reconnecting");
  EXPECT_EQ(replies_[0].instance().instance_id(), 5);
  EXPECT_EQ(replies_[0].instance().owner_epoch(), 4);
  EXPECT_EQ(replies_[0].instance().reconnect_attempts(), 3);
  EXPECT_EQ(replies_[0].instance().reason(), "refused");
  EXPECT_EQ(replies_[0].instance().at().nanos(), 678'901'000);
  EXPECT_EQ(replies_[1].progress().progress().percent(), 42);
  EXPECT_EQ(replies_[1].progress().prompt_id(), "prompt-6");
  EXPECT_EQ(replies_[1].progress().progress().silent_since().seconds(), 1'767'323'045);
  EXPECT_EQ(replies_[2].node_started().node_title(), "the sampler");
  EXPECT_EQ(replies_[2].node_started().execution().prompt_id(), "prompt-6");
  EXPECT_EQ(replies_[2].node_started().execution().user_id(), 2);
  EXPECT_EQ(replies_[3].ended().state(), "failed");
  EXPECT_EQ(replies_[3].ended().error().code(), "node_error");
  EXPECT_EQ(replies_[3].ended().outputs(0).filename(), "a.png");
  EXPECT_EQ(replies_[4].preview().image(), std::string("\xff\xd8\x00\x80", 4));
}

TEST_F(BridgeEventsTest, TheEndOfASlowReaderHasAName) {
  bridge_.events.end = absl::ResourceExhaustedError("slow_subscriber: too slow");
  EXPECT_EQ(with_server(read_all(false)), absl::ResourceExhaustedError("slow_subscriber: too slow"));
  EXPECT_FALSE(bridge_.asked_previews);
}

}  // namespace
}  // namespace renderyard::test
