// How the command line calls our services: by TLS with an authority of one's own, and with a token that leaves the
// machine in no other way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "cli/service_peer.h"
#include "libs/common/base/status_macros.h"
#include "renderyard/v1/bridge.grpc.pb.h"
#include "tests/integration/certificate.h"
#include "tests/integration/comfy/raw_server.h"
#include "tests/integration/grpc_fixture.h"

namespace renderyard::test {
namespace {

using cli::PeerChannel;
using cli::ServicePeer;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawConnection;
using testing::RawServer;

constexpr char kToken[] = "s3cret-token-0815-4711";

class CliPeerTest : public GrpcTest {
 protected:
  CliPeerTest() {
    std::string pattern = ::testing::TempDir() + "renderyard_cli_XXXXXX";
    directory_ = mkdtemp(pattern.data());
    const Certificate certificate = make_certificate();
    all_.tls_cert = all_.tls_ca = file("cert.pem", certificate.certificate_pem);
    all_.tls_key = file("key.pem", certificate.key_pem);
    all_.service_token_file = file("token", std::string(kToken) + "\n");
  }
  ~CliPeerTest() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& content) {
    std::ofstream(directory_ + "/" + name) << content;
    return directory_ + "/" + name;
  }
  ServicePeer peer(std::string address, bool tls, bool token = true) const {
    return {.address = std::move(address),
            .tls_ca = tls ? all_.tls_ca : "",
            .service_token_file = token ? all_.service_token_file : ""};
  }

  // As a command does it.
  static grpc::Status call(const ServicePeer& peer) {
    const auto opened = PeerChannel::open(peer);
    if (!opened.ok()) return {grpc::StatusCode::ABORTED, std::string(opened.status().message())};
    grpc::ClientContext context;
    opened->prepare(context);
    v1::SubmitExecutionRequest request;
    request.set_execution_id(7);
    v1::SubmitExecutionResponse reply;
    return v1::BridgeService::NewStub(opened->channel())->SubmitExecution(&context, request, &reply);
  }
  // The same, with our server's strand running beside it.
  grpc::Status call_our_server(const ServicePeer& peer) {
    std::atomic<bool> over{false};
    grpc::Status status;
    std::thread caller([&] {
      status = call(peer);
      over = true;
    });
    const absl::Status ran = run_and_stop(wait_for(over));
    caller.join();
    EXPECT_EQ(ran, absl::OkStatus());
    return status;
  }
  void serve(const runtime::TransportSecurity& security, const std::string& listen) {
    make_server({.listen = listen, .security = security});
    ASSERT_EQ(server_->start(), absl::OkStatus());
  }
  std::string port() const { return address().substr(address().rfind(':')); }

  std::string directory_;
  runtime::TransportSecurity all_;

 private:
  // Looks at the other thread now and then: it has no way to wake this one.
  base::Task<absl::Status> wait_for(std::atomic<bool>& over) {
    while (!over) CO_RETURN_IF_ERROR(co_await loop_.clock().sleep_for(absl::Milliseconds(1)));
    co_return absl::OkStatus();
  }
};

TEST_F(CliPeerTest, ATokenWithoutTlsGoesNowhereBeyondLoopback) {
  for (const char* address :
       {"10.0.0.5:7412", "bridge-0:7412", "0.0.0.0:7412", "[::]:7412", "[2001:db8::1]:7412", "localhost.evil.org:7412",
        "127.0.0.1.evil.org:7412", "dns:///bridge-0:7412", "dns://10.0.0.5/localhost:7412", "ipv4:10.0.0.5:7412",
        "ipv4:127.0.0.1:7412,10.0.0.5:7412", "127.0.0.1:7412,10.0.0.5:7412", "unix:/tmp/socket", "7412", ""}) {
    SCOPED_TRACE(address);
    const auto refused = PeerChannel::open(peer(address, false));
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(absl::IsInvalidArgument(refused.status())) << refused.status();
    const std::string message(refused.status().message());
    EXPECT_THAT(message, HasSubstr("--tls-ca"));
    EXPECT_THAT(message, HasSubstr(address));
    EXPECT_THAT(message, Not(HasSubstr(kToken)));
    EXPECT_TRUE(PeerChannel::open(peer(address, true)).ok()) << "by TLS it may";
    EXPECT_TRUE(PeerChannel::open(peer(address, false, false)).ok()) << "without a token there is nothing to lose";
  }
  for (const char* address : {"127.0.0.1:7412", "[::1]:7412", "localhost:7412", "127.8.7.6:7412"}) {
    EXPECT_TRUE(PeerChannel::open(peer(address, false)).ok()) << address;
  }
}

TEST_F(CliPeerTest, FilesThatCannotBeReadAreNamed) {
  ServicePeer no_token = peer("127.0.0.1:7412", false);
  no_token.service_token_file = directory_ + "/no-token";
  EXPECT_THAT(std::string(PeerChannel::open(no_token).status().message()), HasSubstr("no-token"));
  ServicePeer no_ca = peer("127.0.0.1:7412", true);
  no_ca.tls_ca = directory_ + "/no-ca.pem";
  EXPECT_THAT(std::string(PeerChannel::open(no_ca).status().message()), HasSubstr("no-ca.pem"));
}

TEST_F(CliPeerTest, ByTlsWithItsOwnAuthorityACallArrives) {
  serve(all_, "0.0.0.0:0");
  const grpc::Status status = call_our_server(peer("127.0.0.1" + port(), true));
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(bridge_.woken, ::testing::ElementsAre(7));
}

TEST_F(CliPeerTest, OverLoopbackATokenIsEnough) {
  runtime::TransportSecurity token_only;
  token_only.service_token_file = all_.service_token_file;
  serve(token_only, "127.0.0.1:0");
  const grpc::Status status = call_our_server(peer(address(), false));
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(bridge_.woken, ::testing::ElementsAre(7));
}

TEST_F(CliPeerTest, AServerOfAnotherAuthorityIsNotSpokenTo) {
  serve(all_, "0.0.0.0:0");
  ServicePeer other = peer("127.0.0.1" + port(), true);
  other.tls_ca = file("other.pem", make_certificate().certificate_pem);
  EXPECT_EQ(call_our_server(other).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(bridge_.woken.empty());
}

TEST_F(CliPeerTest, AWrongTokenIsToldAsSuchAndNotRepeated) {
  serve(all_, "0.0.0.0:0");
  ServicePeer wrong = peer("127.0.0.1" + port(), true);
  wrong.service_token_file = file("wrong", "s3cret-token-0815-4712\n");
  const grpc::Status status = call_our_server(wrong);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), Not(HasSubstr("s3cret")));
  EXPECT_TRUE(bridge_.woken.empty());
}

// Whoever answers in clear where TLS was due gets the beginning of a handshake, and nothing that was sent in it.
TEST_F(CliPeerTest, AServerWithoutTlsIsToldNothing) {
  std::mutex mutex;
  std::string heard;
  RawServer plain([&](RawConnection& connection) {
    while (const auto byte = connection.read_exactly(1)) {
      const std::lock_guard lock(mutex);
      heard += *byte;
      if (heard.size() == 16) connection.end_sending();
    }
  });
  const grpc::Status status = call(peer("127.0.0.1:" + std::to_string(plain.port()), true));
  plain.finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(heard, ::testing::StartsWith("\x16\x03")) << "a TLS handshake";
  EXPECT_THAT(heard, Not(HasSubstr(kToken)));
}

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

// A proxy for the web is no part of this machine: what is called at loopback is called there, and not through a tunnel
// whose other end reads all of it.
TEST_F(CliPeerTest, AProxyOfTheEnvironmentIsNotAskedForAServiceOnThisMachine) {
  constexpr std::string_view kSettings("\0\0\0\4\0\0\0\0\0", 9);  // the least that HTTP/2 begins with
  for (const char* name : {"grpc_proxy", "https_proxy", "http_proxy"}) {
    SCOPED_TRACE(name);
    std::string asked;
    std::string tunnelled;
    RawServer proxy([&](RawConnection& connection) {
      if (const auto head = connection.read_head()) asked = head->line;
      connection.send("HTTP/1.1 200 OK\r\n\r\n");
      connection.send(kSettings);
      while (const auto byte = connection.read_exactly(1)) {
        tunnelled += *byte;
        if (tunnelled.find(kToken) != std::string::npos) return;
      }
    });
    const Variable variable(name, proxy.url());
    const grpc::Status status = call(peer("127.0.0.1:" + std::to_string(testing::closed_port()), false));
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
    proxy.finish();
    EXPECT_EQ(proxy.connections(), 0) << "the call went to another machine: " << asked;
    EXPECT_THAT(tunnelled, Not(HasSubstr(kToken)));
  }
}

}  // namespace
}  // namespace renderyard::test
