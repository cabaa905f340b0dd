#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/integration/certificate.h"
#include "tests/integration/grpc_fixture.h"

namespace renderyard::test {
namespace {

using ::testing::HasSubstr;

class GrpcSecurityTest : public GrpcTest {
 protected:
  GrpcSecurityTest() {
    std::string pattern = ::testing::TempDir() + "renderyard_tls_XXXXXX";
    directory_ = mkdtemp(pattern.data());
    const Certificate certificate = make_certificate();
    all_.tls_cert = file("cert.pem", certificate.certificate_pem);
    all_.tls_ca = all_.tls_cert;
    all_.tls_key = file("key.pem", certificate.key_pem);
    all_.service_token_file = file("token", "0123456789abcdef\n");
  }
  ~GrpcSecurityTest() override { std::filesystem::remove_all(directory_); }

  std::string file(const std::string& name, const std::string& content) {
    std::ofstream(directory_ + "/" + name) << content;
    return directory_ + "/" + name;
  }

  // A server on all interfaces, called over loopback by a client with `client`'s files.
  absl::Status call(const runtime::TransportSecurity& client) {
    make_server({.listen = "0.0.0.0:0", .security = all_});
    const absl::Status started = server_->start();
    if (!started.ok()) return started;
    make_clients(client);
    port_ = server_->address().substr(server_->address().rfind(':'));
    return run_and_stop(wake());
  }
  base::Task<absl::Status> wake() {
    const ports::ExecutionId execution{7};
    const ports::InstanceId instance{1};
    co_return co_await bridges_->submit_execution("127.0.0.1" + port_, execution, instance, soon());
  }

  std::string directory_;
  std::string port_;
  runtime::TransportSecurity all_;
};

TEST_F(GrpcSecurityTest, BeyondLoopbackNothingStartsWithoutTlsAndToken) {
  make_server({.listen = "0.0.0.0:0"});
  const absl::Status refused = server_->start();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--service-token-file"));
  for (std::string runtime::TransportSecurity::*missing :
       {&runtime::TransportSecurity::tls_cert, &runtime::TransportSecurity::tls_key,
        &runtime::TransportSecurity::service_token_file}) {
    runtime::TransportSecurity security = all_;
    (security.*missing).clear();
    make_server({.listen = "0.0.0.0:0", .security = security});
    EXPECT_TRUE(absl::IsInvalidArgument(server_->start()));
  }
}

TEST_F(GrpcSecurityTest, AShortTokenIsRefused) {
  all_.service_token_file = file("short", "0123456789\n");
  make_server({.listen = "0.0.0.0:0", .security = all_});
  const absl::Status refused = server_->start();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()), ::testing::Not(HasSubstr("0123456789")));
}

TEST_F(GrpcSecurityTest, WithTlsAndTokenACallArrives) {
  EXPECT_EQ(call(all_), absl::OkStatus());
  EXPECT_THAT(bridge_.woken, ::testing::ElementsAre(7));
}

TEST_F(GrpcSecurityTest, WithoutOrWithAWrongTokenItDoesNot) {
  runtime::TransportSecurity client = all_;
  client.service_token_file.clear();
  EXPECT_EQ(call(client).code(), absl::StatusCode::kUnauthenticated);
  client.service_token_file = file("wrong", "0123456789abcdeF\n");
  EXPECT_EQ(call(client).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(bridge_.woken.empty());
}

TEST_F(GrpcSecurityTest, WithoutTlsOrWithAnotherAuthorityItDoesNot) {
  runtime::TransportSecurity client = all_;
  client.tls_ca.clear();
  EXPECT_EQ(call(client).code(), absl::StatusCode::kUnavailable);
  client.tls_ca = file("other.pem", make_certificate().certificate_pem);
  EXPECT_EQ(call(client).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(bridge_.woken.empty());
}

}  // namespace
}  // namespace renderyard::test
