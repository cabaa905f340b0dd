#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "libs/common/adapters/grpc/unary_call.h"
#include "renderyard/v1/instance.grpc.pb.h"
#include "tests/integration/grpc_fixture.h"

namespace renderyard::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Names only; the real rules are the stores' and their conformance suite's.
class MapInstances final : public ports::InstanceStore {
 public:
  base::Task<absl::StatusOr<ports::InstanceRow>> add(ports::NewInstance instance) override {
    if (rows.contains(instance.name)) co_return absl::AlreadyExistsError("the name is in use");
    ports::InstanceRow& row = rows[instance.name];
    row.id = {static_cast<std::int64_t>(rows.size())};
    row.name = instance.name;
    row.api_url = instance.api_url;
    row.ws_url = instance.ws_url;
    row.slots = instance.slots;
    row.status = ports::InstanceStatus::kReconnecting;
    row.status_reason = "refused";
    row.lease_owner = "b1";
    row.reconnect_attempts = 4;
    row.last_connected_at = absl::FromUnixSeconds(1'767'323'045);
    co_return row;
  }
  base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> list() override {
    std::vector<ports::InstanceRow> result;
    for (const auto& [name, row] : rows) result.push_back(row);
    co_return result;
  }
  base::Task<absl::StatusOr<ports::InstanceRow>> set_enabled(std::string name, bool enabled) override {
    const auto found = rows.find(name);
    if (found == rows.end()) co_return absl::NotFoundError("no such instance");
    found->second.is_enabled = enabled;
    co_return found->second;
  }
  std::map<std::string, ports::InstanceRow> rows;
};

class CountedHints final : public ports::Hints {
 public:
  void send(ports::Topic topic) override { sent.push_back(topic); }
  void listen(ports::Topic, absl::AnyInvocable<void()>) override {}
  std::vector<ports::Topic> sent;
};

class InstanceServiceTest : public GrpcTest {
 protected:
  absl::Status with_instances(base::Task<absl::Status> body) {
    make_server({});
    service_ = bridge::make_instance_service(server_->core(), store_, hints_);
    server_->add(*service_);
    const absl::Status started = server_->start();
    if (!started.ok()) return started;
    stub_ = v1::InstanceService::NewStub(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
    const absl::Status status = run_and_stop(std::move(body));
    outstanding_.abandon_all();
    return status;
  }

  base::Task<absl::StatusOr<v1::AddInstanceResponse>> add(std::string name, std::string url) {
    using State = grpc_clients::UnaryState<v1::AddInstanceRequest, v1::AddInstanceResponse>;
    auto state = std::make_shared<State>();
    state->request.set_name(name);
    state->request.set_api_url(url);
    grpc_clients::UnaryMethod<v1::AddInstanceRequest, v1::AddInstanceResponse> method =
        [this](auto* context, const auto* request, auto* reply, auto done) {
          stub_->async()->AddInstance(context, request, reply, std::move(done));
        };
    co_return co_await grpc_clients::unary_call(loop_.strand(), outstanding_, std::move(state), std::move(method));
  }
  base::Task<absl::StatusOr<v1::ListInstancesResponse>> list() {
    using State = grpc_clients::UnaryState<v1::ListInstancesRequest, v1::ListInstancesResponse>;
    auto state = std::make_shared<State>();
    grpc_clients::UnaryMethod<v1::ListInstancesRequest, v1::ListInstancesResponse> method =
        [this](auto* context, const auto* request, auto* reply, auto done) {
          stub_->async()->ListInstances(context, request, reply, std::move(done));
        };
    co_return co_await grpc_clients::unary_call(loop_.strand(), outstanding_, std::move(state), std::move(method));
  }
  base::Task<absl::StatusOr<v1::DisableInstanceResponse>> disable(std::string name) {
    using State = grpc_clients::UnaryState<v1::DisableInstanceRequest, v1::DisableInstanceResponse>;
    auto state = std::make_shared<State>();
    state->request.set_name(name);
    grpc_clients::UnaryMethod<v1::DisableInstanceRequest, v1::DisableInstanceResponse> method =
        [this](auto* context, const auto* request, auto* reply, auto done) {
          stub_->async()->DisableInstance(context, request, reply, std::move(done));
        };
    co_return co_await grpc_clients::unary_call(loop_.strand(), outstanding_, std::move(state), std::move(method));
  }

  base::Task<absl::Status> life() {
    ASSIGN_OR_CO_RETURN(const auto added, co_await add("gpu-1", "HTTP://GPU.local:8188/"));
    const v1::Instance& instance = added.instance();
    EXPECT_EQ(instance.name(), "gpu-1");
    EXPECT_EQ(instance.api_url(), "http://gpu.local:8188");
    EXPECT_EQ(store_.rows.at("gpu-1").ws_url, "ws://gpu.local:8188");
    EXPECT_EQ(instance.slots(), 1);
    EXPECT_EQ(instance.status(), "reconnecting");
    EXPECT_EQ(instance.status_reason(), "refused");
    EXPECT_EQ(instance.lease_owner(), "b1");
    EXPECT_EQ(instance.reconnect_attempts(), 4);
    EXPECT_EQ(instance.last_connected_at().seconds(), 1'767'323'045);
    EXPECT_TRUE(instance.enabled());
    ASSIGN_OR_CO_RETURN(const auto disabled, co_await disable("gpu-1"));
    EXPECT_FALSE(disabled.instance().enabled());
    ASSIGN_OR_CO_RETURN(const auto listed, co_await list());
    EXPECT_EQ(listed.instances_size(), 1);
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> refusals() {
    auto wrong = co_await add("GPU 1", "http://gpu.local:8188");
    EXPECT_TRUE(absl::IsInvalidArgument(wrong.status()));
    EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("name: "));
    wrong = co_await add("gpu-1", "gpu.local");
    EXPECT_TRUE(absl::IsInvalidArgument(wrong.status()));
    EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("api_url: "));
    const auto unknown = co_await disable("gpu-9");
    EXPECT_TRUE(absl::IsNotFound(unknown.status()));
    co_return absl::OkStatus();
  }

  MapInstances store_;
  CountedHints hints_;
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<v1::InstanceService::Stub> stub_;
  grpc_clients::Outstanding outstanding_;
};

TEST_F(InstanceServiceTest, AddListDisableAndAHintAfterEachChange) {
  EXPECT_EQ(with_instances(life()), absl::OkStatus());
  EXPECT_THAT(hints_.sent, ElementsAre(ports::Topic::kInstances, ports::Topic::kInstances));
}

TEST_F(InstanceServiceTest, WrongInputReachesNoStoreAndSendsNoHint) {
  EXPECT_EQ(with_instances(refusals()), absl::OkStatus());
  EXPECT_TRUE(store_.rows.empty());
  EXPECT_THAT(hints_.sent, IsEmpty());
}

}  // namespace
}  // namespace renderyard::test
