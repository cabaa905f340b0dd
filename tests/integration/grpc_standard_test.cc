// What every gRPC server of ours offers besides its own services: health of each, and reflection. Asked for in bytes,
// as any client would: Debian ships no stubs of the two.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/slice.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/integration/grpc_fixture.h"

namespace renderyard::test {
namespace {

using ::testing::HasSubstr;

grpc::ByteBuffer buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

std::string bytes_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return {};
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

class GrpcStandardTest : public GrpcTest {
 protected:
  void SetUp() override {
    make_server({});
    ASSERT_EQ(server_->start(), absl::OkStatus());
    stub_ = std::make_unique<grpc::GenericStub>(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
  }
  void TearDown() override {
    EXPECT_EQ(loop_.run(stop()), absl::OkStatus());
    server_->close();
  }
  bool done() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }
  static void set_deadline(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  }

  // grpc.health.v1: HealthCheckRequest{1: service}, HealthCheckResponse{1: status}; the status, -1 without an answer.
  int health(const std::string& service) {
    grpc::ClientContext context;
    set_deadline(context);
    std::string request;
    if (!service.empty()) request = '\x0a' + std::string(1, static_cast<char>(service.size())) + service;
    auto call = stub_->PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", buffer(request), &queue_);
    call->StartCall();
    grpc::ByteBuffer reply;
    grpc::Status status;
    call->Finish(&reply, &status, nullptr);
    if (!done() || !status.ok()) return -1;
    const std::string bytes = bytes_of(reply);
    return bytes.size() == 2 && bytes[0] == '\x08' ? bytes[1] : 0;
  }

  static constexpr int kServing = 1;
  static constexpr int kNotServing = 2;
  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::CompletionQueue queue_;
};

TEST_F(GrpcStandardTest, HealthIsToldOfEachServiceAndOfTheWhole) {
  for (const char* name : {"", "renderyard.v1.BridgeService", "renderyard.v1.DispatcherService"}) {
    server_->set_serving(false);
    EXPECT_EQ(health(name), kNotServing) << name;
    server_->set_serving(true);
    EXPECT_EQ(health(name), kServing) << name;
  }
  EXPECT_EQ(health("renderyard.v1.Nobody"), -1);
}

TEST_F(GrpcStandardTest, AServerThatStartsOrStopsIsNotServing) {
  EXPECT_EQ(health("renderyard.v1.BridgeService"), kNotServing);
  server_->set_serving(true);
  server_->stop_accepting();
  EXPECT_EQ(health("renderyard.v1.BridgeService"), kNotServing);
}

TEST_F(GrpcStandardTest, ReflectionListsTheServices) {
  grpc::ClientContext context;
  set_deadline(context);
  auto call = stub_->PrepareCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue_);
  call->StartCall(nullptr);
  ASSERT_TRUE(done());
  call->Write(buffer(std::string("\x3a\x00", 2)), nullptr);  // list_services
  ASSERT_TRUE(done());
  grpc::ByteBuffer reply;
  call->Read(&reply, nullptr);
  ASSERT_TRUE(done());
  const std::string text = bytes_of(reply);
  EXPECT_THAT(text, HasSubstr("renderyard.v1.BridgeService"));
  EXPECT_THAT(text, HasSubstr("renderyard.v1.DispatcherService"));
  EXPECT_THAT(text, HasSubstr("grpc.health.v1.Health"));
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(done());
}

}  // namespace
}  // namespace renderyard::test
