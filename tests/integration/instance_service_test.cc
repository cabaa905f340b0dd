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

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

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
    row.unique_prefix = instance.unique_prefix;
    row.behind_proxy = instance.behind_proxy;
    for (const ports::SecretHeader& header : instance.headers) row.header_names.push_back(header.name);
    headers = instance.headers;
    row.status = ports::InstanceStatus::kReconnecting;
    row.status_reason = "refused";
    row.lease_owner = "b1";
    row.reconnect_attempts = 4;
    row.last_connected_at = absl::FromUnixSeconds(1'767'323'045);
    co_return row;
  }
  base::Task<absl::StatusOr<ports::InstanceRow>> get(std::string name) override { co_return find(name); }
  base::Task<absl::StatusOr<std::optional<ports::KnownCapabilities>>> capabilities(ports::InstanceId) override {
    co_return known;
  }
  base::Task<absl::StatusOr<ports::InstanceRow>> change(std::string name, ports::InstanceChange change) override {
    changes.push_back(std::move(change));
    co_return find(name);
  }
  base::Task<absl::StatusOr<ports::InstanceRow>> set_draining(std::string name, bool draining) override {
    const auto found = rows.find(name);
    if (found == rows.end()) co_return absl::NotFoundError("no such instance");
    found->second.is_draining = draining;
    co_return found->second;
  }
  base::Task<absl::StatusOr<ports::InstanceRow>> remove(std::string name) override {
    auto row = find(name);
    if (row.ok()) row->removed_at = absl::FromUnixSeconds(1'767'323'099);
    rows.erase(name);
    co_return row;
  }
  base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> list(bool) override {
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
  base::Task<absl::StatusOr<ports::InstanceRow>> release(std::string name) override {
    const auto found = rows.find(name);
    if (found == rows.end()) co_return absl::NotFoundError("no such instance");
    found->second.quarantined_at.reset();
    found->second.quarantine.reset();
    found->second.quarantined_by.reset();
    found->second.circuit = {};
    co_return found->second;
  }
  absl::StatusOr<ports::InstanceRow> find(const std::string& name) const {
    const auto found = rows.find(name);
    if (found == rows.end()) return absl::NotFoundError("no such instance");
    return found->second;
  }

  std::map<std::string, ports::InstanceRow> rows;
  std::vector<ports::SecretHeader> headers;  // of the last that was added
  std::vector<ports::InstanceChange> changes;
  std::optional<ports::KnownCapabilities> known;
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
    server_->add(*service_, "renderyard.v1.InstanceService");
    const absl::Status started = server_->start();
    if (!started.ok()) return started;
    stub_ = v1::InstanceService::NewStub(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
    const absl::Status status = run_and_stop(std::move(body));
    outstanding_.abandon_all();
    return status;
  }

  template <class Request, class Response>
  using AsyncCall = void (v1::InstanceService::StubInterface::async_interface::*)(grpc::ClientContext*, const Request*,
                                                                                  Response*,
                                                                                  std::function<void(grpc::Status)>);
  template <class Request, class Response>
  base::Task<absl::StatusOr<Response>> call(AsyncCall<Request, Response> rpc, Request request) {
    using State = grpc_clients::UnaryState<Request, Response>;
    auto state = std::make_shared<State>();
    state->request = std::move(request);
    grpc_clients::UnaryMethod<Request, Response> method = [this, rpc](auto* context, const auto* sent, auto* reply,
                                                                      auto done) {
      (stub_->async()->*rpc)(context, sent, reply, std::move(done));
    };
    co_return co_await grpc_clients::unary_call(loop_.strand(), outstanding_, std::move(state), std::move(method));
  }
  using Async = v1::InstanceService::StubInterface::async_interface;

  base::Task<absl::StatusOr<v1::AddInstanceResponse>> add(std::string name, std::string url) {
    v1::AddInstanceRequest request;
    request.set_name(std::move(name));
    request.set_api_url(std::move(url));
    return call<v1::AddInstanceRequest, v1::AddInstanceResponse>(&Async::AddInstance, std::move(request));
  }
  base::Task<absl::StatusOr<v1::ListInstancesResponse>> list() {
    return call<v1::ListInstancesRequest, v1::ListInstancesResponse>(&Async::ListInstances, {});
  }
  base::Task<absl::StatusOr<v1::DisableInstanceResponse>> disable(std::string name) {
    v1::DisableInstanceRequest request;
    request.set_name(std::move(name));
    return call<v1::DisableInstanceRequest, v1::DisableInstanceResponse>(&Async::DisableInstance, std::move(request));
  }
  template <class Request, class Response>
  base::Task<absl::StatusOr<Response>> named(AsyncCall<Request, Response> rpc) {
    Request request;
    request.set_name("gpu-1");
    return call<Request, Response>(rpc, std::move(request));
  }
  base::Task<absl::StatusOr<v1::ReleaseInstanceResponse>> release(std::string name) {
    using State = grpc_clients::UnaryState<v1::ReleaseInstanceRequest, v1::ReleaseInstanceResponse>;
    auto state = std::make_shared<State>();
    state->request.set_name(name);
    grpc_clients::UnaryMethod<v1::ReleaseInstanceRequest, v1::ReleaseInstanceResponse> method =
        [this](auto* context, const auto* request, auto* reply, auto done) {
          stub_->async()->ReleaseInstance(context, request, reply, std::move(done));
        };
    co_return co_await grpc_clients::unary_call(loop_.strand(), outstanding_, std::move(state), std::move(method));
  }

  base::Task<absl::Status> unfitness() {
    ASSIGN_OR_CO_RETURN(const auto added, co_await add("gpu-1", "http://gpu.local:8188"));
    EXPECT_FALSE(added.instance().has_quarantined_at());
    EXPECT_FALSE(added.instance().has_circuit_open_until());
    ports::InstanceRow& row = store_.rows.at("gpu-1");
    row.quarantined_at = absl::FromUnixSeconds(100);
    row.quarantine = domain::Quarantine::kWorkerDead;
    row.quarantined_by = ports::ExecutionId{12};
    row.circuit.faults = 4;
    row.circuit.open_until = absl::FromUnixSeconds(200);
    row.circuit.reason = "device: CUDA error";
    ASSIGN_OR_CO_RETURN(const auto listed, co_await list());
    const v1::Instance& shown = listed.instances(0);
    EXPECT_EQ(shown.quarantined_at().seconds(), 100);
    EXPECT_EQ(shown.quarantine_reason(), "worker_dead");
    EXPECT_EQ(shown.quarantined_by_execution_id(), 12);
    EXPECT_EQ(shown.circuit_faults(), 4);
    EXPECT_EQ(shown.circuit_open_until().seconds(), 200);
    EXPECT_EQ(shown.circuit_reason(), "device: CUDA error");
    ASSIGN_OR_CO_RETURN(const auto released, co_await release("gpu-1"));
    EXPECT_FALSE(released.instance().has_quarantined_at());
    EXPECT_TRUE(released.instance().quarantine_reason().empty());
    EXPECT_FALSE(released.instance().has_circuit_open_until());
    EXPECT_EQ(released.instance().circuit_faults(), 0);
    const auto unknown = co_await release("gpu-9");
    EXPECT_TRUE(absl::IsNotFound(unknown.status()));
    co_return absl::OkStatus();
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
    wrong = co_await add("gpu-1", "http://anna:hush@gpu.local");
    EXPECT_THAT(std::string(wrong.status().message()), AllOf(HasSubstr("as access"), Not(HasSubstr("hush"))));
    v1::ChangeInstanceRequest change;
    change.set_name("gpu-1");
    change.set_slots(0);
    auto changed = co_await call(&Async::ChangeInstance, change);
    EXPECT_THAT(std::string(changed.status().message()), HasSubstr("slots: "));
    change.set_slots(1);
    change.mutable_access()->set_bearer_token("hush\n");
    changed = co_await call(&Async::ChangeInstance, std::move(change));
    EXPECT_THAT(std::string(changed.status().message()),
                AllOf(HasSubstr("access.bearer_token"), Not(HasSubstr("hush"))));
    EXPECT_TRUE(store_.changes.empty());
    const auto unknown = co_await disable("gpu-9");
    EXPECT_TRUE(absl::IsNotFound(unknown.status()));
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> access_and_changes() {
    v1::AddInstanceRequest request;
    request.set_name("gpu-1");
    request.set_api_url("https://gpu.local/base/");
    request.mutable_access()->mutable_basic()->set_user("anna");
    request.mutable_access()->mutable_basic()->set_password("hush");
    v1::AccessHeader* const header = request.mutable_access()->add_headers();
    header->set_name("X-Key");
    header->set_value("hush");
    request.set_unique_prefix(false);
    ASSIGN_OR_CO_RETURN(const auto added, co_await call(&Async::AddInstance, std::move(request)));
    EXPECT_EQ(added.instance().api_url(), "https://gpu.local/base");
    EXPECT_EQ(store_.rows.at("gpu-1").ws_url, "wss://gpu.local/base");
    EXPECT_FALSE(added.instance().unique_prefix());
    EXPECT_THAT(added.instance().access_headers(), ElementsAre("Authorization", "X-Key"));
    EXPECT_THAT(added.DebugString(), Not(HasSubstr("hush")));
    EXPECT_THAT(added.DebugString(), Not(HasSubstr("YW5uYTpodXNo")));
    EXPECT_EQ(store_.headers.at(0).value, "Basic YW5uYTpodXNo");

    v1::ChangeInstanceRequest change;
    change.set_name("gpu-1");
    change.set_slots(2);
    change.set_shared_instance(true);
    auto changed = co_await call(&Async::ChangeInstance, change);
    EXPECT_TRUE(changed.ok());
    change.set_api_url("http://other:8188/");
    change.mutable_access();
    changed = co_await call(&Async::ChangeInstance, std::move(change));
    EXPECT_TRUE(changed.ok());
    EXPECT_EQ(store_.changes.size(), 2u);
    EXPECT_EQ(store_.changes.at(0).slots, 2);
    EXPECT_EQ(store_.changes.at(0).shared_instance, true);
    EXPECT_FALSE(store_.changes.at(0).api_url || store_.changes.at(0).headers || store_.changes.at(0).behind_proxy);
    EXPECT_EQ(store_.changes.at(1).api_url, "http://other:8188");
    EXPECT_EQ(store_.changes.at(1).ws_url, "ws://other:8188");
    EXPECT_TRUE(store_.changes.at(1).headers && store_.changes.at(1).headers->empty());
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> switches() {
    ASSIGN_OR_CO_RETURN([[maybe_unused]] const auto added, co_await add("gpu-1", "http://gpu.local:8188"));
    ASSIGN_OR_CO_RETURN(const auto drained, co_await named(&Async::DrainInstance));
    EXPECT_TRUE(drained.instance().draining());
    ASSIGN_OR_CO_RETURN(const auto undrained, co_await named(&Async::UndrainInstance));
    EXPECT_FALSE(undrained.instance().draining());
    ASSIGN_OR_CO_RETURN([[maybe_unused]] const auto disabled, co_await named(&Async::DisableInstance));
    ASSIGN_OR_CO_RETURN(const auto got, co_await named(&Async::GetInstance));
    EXPECT_FALSE(got.instance().enabled());
    EXPECT_FALSE(got.has_capabilities());
    store_.known.emplace();
    store_.known->what.node_classes = {"A", "B"};
    store_.known->what.model_lists = {{"x.pt", "y.pt"}};
    store_.known->what.model_inputs = {{"A.one", 0}, {"B.two", 0}};
    store_.known->what.devices = {{"GPU", "cuda", 1024}};
    store_.known->digest = "d";
    store_.known->read_at = absl::FromUnixSeconds(5);
    ASSIGN_OR_CO_RETURN(const auto described, co_await named(&Async::GetInstance));
    EXPECT_THAT(described.capabilities().node_classes(), ElementsAre("A", "B"));
    EXPECT_EQ(described.capabilities().model_lists_size(), 1);
    EXPECT_THAT(described.capabilities().model_lists(0).inputs(), ElementsAre("A.one", "B.two"));
    EXPECT_THAT(described.capabilities().model_lists(0).models(), ElementsAre("x.pt", "y.pt"));
    EXPECT_EQ(described.capabilities().devices(0).vram_total(), 1024);
    EXPECT_EQ(described.capabilities().read_at().seconds(), 5);
    EXPECT_TRUE(described.capabilities().complete());
    ASSIGN_OR_CO_RETURN(const auto enabled, co_await named(&Async::EnableInstance));
    EXPECT_TRUE(enabled.instance().enabled());
    ASSIGN_OR_CO_RETURN(const auto removed, co_await named(&Async::RemoveInstance));
    EXPECT_EQ(removed.instance().removed_at().seconds(), 1'767'323'099);
    const auto gone = co_await named(&Async::GetInstance);
    EXPECT_TRUE(absl::IsNotFound(gone.status()));
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

TEST_F(InstanceServiceTest, CredentialsGoInAndNeverOutAndOnlyWhatIsGivenChanges) {
  EXPECT_EQ(with_instances(access_and_changes()), absl::OkStatus());
  EXPECT_THAT(hints_.sent, SizeIs(3));
}

TEST_F(InstanceServiceTest, EverySwitchIsTakenAndHinted) {
  EXPECT_EQ(with_instances(switches()), absl::OkStatus());
  EXPECT_THAT(hints_.sent, SizeIs(6));
}

TEST_F(InstanceServiceTest, ShowsWhyAnInstanceGetsNoWorkAndReleasesIt) {
  EXPECT_EQ(with_instances(unfitness()), absl::OkStatus());
  EXPECT_THAT(hints_.sent, ElementsAre(ports::Topic::kInstances, ports::Topic::kInstances));
}

TEST_F(InstanceServiceTest, WrongInputReachesNoStoreAndSendsNoHint) {
  EXPECT_EQ(with_instances(refusals()), absl::OkStatus());
  EXPECT_TRUE(store_.rows.empty());
  EXPECT_THAT(hints_.sent, IsEmpty());
}

}  // namespace
}  // namespace renderyard::test
