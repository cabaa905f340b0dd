// The bridge as the program it is, with a database, a cache and instances that want secrets: none of them stands in
// what it logs, in its metrics, or in an answer; not when it cannot start, and not while its database is away.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/common/testing/private_postgres.h"
#include "renderyard/v1/instance.grpc.pb.h"
#include "tests/integration/bridge/plain_http.h"
#include "tests/integration/bridge/program.h"
#include "tests/integration/comfy/raw_server.h"
#include "tests/integration/comfy/sim_process.h"

namespace renderyard::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kToken[] = "t0ken-0815-of-the-services";
const char* const kSecrets[] = {"pg-s3cret-1", "redis-s3cret-2", "bearer-s3cret-3", "header-s3cret-4", kToken};

void expect_no_secret_in(const std::string& text) {
  for (const char* secret : kSecrets) EXPECT_THAT(text, Not(HasSubstr(secret)));
}

class SecretsOfAProcessTest : public ::testing::Test {
 protected:
  SecretsOfAProcessTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "renderyard-secrets-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    std::ofstream(directory_ + "/token") << kToken << "\n";
    environment_ = {{"RENDERYARD_LOG_LEVEL", "debug"},
                    {"RENDERYARD_ARTIFACTS_DIR", directory_ + "/artifacts"},
                    {"RENDERYARD_GRPC_LISTEN", "127.0.0.1:0"},
                    {"RENDERYARD_PORT_FILE", directory_ + "/ports"},
                    {"RENDERYARD_SERVICE_TOKEN_FILE", directory_ + "/token"},
                    {"RENDERYARD_REDIS_URL", "redis://:redis-s3cret-2@127.0.0.1:" + std::to_string(closed_port())}};
  }
  ~SecretsOfAProcessTest() override { std::filesystem::remove_all(directory_); }

  // Of an address in the port file.
  std::string address(const std::string& name) const {
    std::ifstream in(directory_ + "/ports");
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    return std::string(boost::json::parse(text).at(name).as_string());
  }
  static void prepare(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    context.AddMetadata("authorization", std::string("Bearer ") + kToken);
  }

  std::string directory_;
  std::map<std::string, std::string> environment_;
};

TEST_F(SecretsOfAProcessTest, ADatabaseThatCannotBeHadIsNamedWithoutItsPassword) {
  const std::string port = std::to_string(closed_port());
  for (const std::string& url :
       {"postgresql://renderyard:pg-s3cret-1@127.0.0.1:" + port + "/renderyard",
        std::string("postgresql://renderyard:pg-s3cret-1@no-such-host.invalid/renderyard"),
        std::string("postgresql://renderyard:x/pg-s3cret-1@127.0.0.1/renderyard"),  // not encoded: no URL any more
        std::string("postgresql://renderyard:pg-s3cret-1#x@127.0.0.1/renderyard"),
        std::string("postgresql://renderyard:12@pg-s3cret-1@127.0.0.1/renderyard"),
        std::string("postgresql://renderyard:pg-s3cret-1/x@127.0.0.1/renderyard"),
        std::string("postgresql://renderyard:12/pg-s3cret-1@127.0.0.1/renderyard"),
        std::string("postgresql://renderyard:12?pg-s3cret-1@127.0.0.1/renderyard"),
        std::string("host=127.0.0.1 password=it's pg-s3cret-1"), std::string("host=127.0.0.1 pasword=pg-s3cret-1"),
        std::string("pg-s3cret-1")}) {
    SCOPED_TRACE(url);
    environment_["RENDERYARD_DATABASE_URL"] = url;
    Program bridge("renderyard-bridge", {}, environment_);
    const auto exit_code = bridge.exit_code();
    ASSERT_TRUE(exit_code) << bridge.said();
    EXPECT_NE(*exit_code, 0);
    EXPECT_THAT(bridge.said(), HasSubstr("database")) << "it says what is wrong";
    expect_no_secret_in(bridge.said());
  }
}

TEST_F(SecretsOfAProcessTest, ACacheWhoseUrlIsWrongIsNamedWithoutItsPassword) {
  environment_["RENDERYARD_DATABASE_URL"] = "postgresql://renderyard@127.0.0.1/renderyard";
  for (const char* url : {"rediss://:redis-s3cret-2@cache", "redis://:redis-s3cret-2@cache:redis-s3cret-2",
                          "redis://:redis-s3cret-2@cache/redis-s3cret-2", "redis://:redis s3cret redis-s3cret-2@cache",
                          "redis-s3cret-2"}) {
    SCOPED_TRACE(url);
    environment_["RENDERYARD_REDIS_URL"] = url;
    Program bridge("renderyard-bridge", {}, environment_);
    EXPECT_EQ(bridge.exit_code(), 2) << bridge.said();
    EXPECT_THAT(bridge.said(), HasSubstr("redis-url"));
    expect_no_secret_in(bridge.said());
  }
}

TEST_F(SecretsOfAProcessTest, NothingOfThemIsToldFromStartToStop) {
  auto postgres = PrivatePostgres::start();
  ASSERT_TRUE(postgres.ok()) << postgres.status();
  const auto database = (*postgres)->fresh_database();
  ASSERT_TRUE(database.ok()) << database.status();
  environment_["RENDERYARD_DATABASE_URL"] = *database + " password = pg-s3cret-1";
  const SimProcess sim;
  Program bridge("renderyard-bridge", {}, environment_);
  ASSERT_TRUE(bridge.until([&] { return std::filesystem::exists(directory_ + "/ports"); })) << bridge.said();

  const auto stub =
      v1::InstanceService::NewStub(grpc::CreateChannel(address("grpc"), grpc::InsecureChannelCredentials()));
  std::string answers;
  const auto add = [&](const std::string& name, const std::string& url) {
    v1::AddInstanceRequest request;
    request.set_name(name);
    request.set_api_url(url);
    request.mutable_access()->set_bearer_token("bearer-s3cret-3");
    auto* const header = request.mutable_access()->add_headers();
    header->set_name("X-Key");
    header->set_value("header-s3cret-4");
    v1::AddInstanceResponse reply;
    grpc::ClientContext context;
    prepare(context);
    const grpc::Status status = stub->AddInstance(&context, request, &reply);
    answers += reply.DebugString() + status.error_message();
    return status;
  };
  // Right, gone, misnamed, and not to be taken at all.
  EXPECT_TRUE(add("right", sim.url()).ok());
  EXPECT_TRUE(add("gone", "http://127.0.0.1:" + std::to_string(closed_port())).ok());
  EXPECT_TRUE(add("misnamed", "http://no-such-host.invalid:8188").ok());
  EXPECT_FALSE(add("wrong", "http://anna:header-s3cret-4@gpu.local").ok());
  EXPECT_FALSE(add("right", "http://other.invalid").ok());

  const std::string admin = "http://" + address("admin");
  const auto page = [&](const std::string& path) {
    const PlainAnswer answer = get(admin + path);
    answers += answer.body;
    return answer.body;
  };
  ASSERT_TRUE(bridge.until([&] {
    return page("/metrics").find("renderyard_bridge_connections{state=\"connected\"} 1") != std::string::npos;
  })) << bridge.said();
  ASSERT_TRUE(bridge.until([&] { return bridge.said().find("no-such-host.invalid") != std::string::npos; }))
      << bridge.said();
  page("/readyz");
  page("/livez");
  v1::ListInstancesResponse list;
  grpc::ClientContext context;
  prepare(context);
  ASSERT_TRUE(stub->ListInstances(&context, {}, &list).ok());
  EXPECT_EQ(list.instances_size(), 3);
  EXPECT_THAT(list.DebugString(), HasSubstr("X-Key")) << "the name is no secret";
  answers += list.DebugString();

  (*postgres)->kill();
  ASSERT_TRUE(bridge.until([&] { return bridge.said().find("store_away") != std::string::npos; })) << bridge.said();
  page("/readyz");
  ASSERT_EQ((*postgres)->restart(), absl::OkStatus());
  ASSERT_TRUE(bridge.until([&] { return bridge.said().find("store_back") != std::string::npos; })) << bridge.said();
  page("/metrics");
  bridge.stop();
  EXPECT_EQ(bridge.exit_code(), 0);

  const std::string said = bridge.said();
  EXPECT_THAT(said, HasSubstr("comfyui_websocket_connected"));
  EXPECT_THAT(said, HasSubstr("redis")) << "that the cache is away was not told";
  EXPECT_THAT(said, HasSubstr("no-such-host.invalid"));
  expect_no_secret_in(said);
  expect_no_secret_in(answers);
}

}  // namespace
}  // namespace renderyard::testing
