#include "libs/common/runtime/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "libs/common/runtime/common_options.h"
#include "libs/common/runtime/environment.h"

namespace renderyard::runtime {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

struct Target {
  Options options{"renderyard-test", "Tests."};
  std::string bridge_id = "b1";
  std::string database_url;
  int batch = 64;
  absl::Duration poll = absl::Seconds(1);
  std::vector<std::string> dispatchers;

  Target() {
    options.text("bridge-id", bridge_id, {.doc = "Stable name"});
    options.secret("database-url", database_url, {.doc = "PostgreSQL", .required = true, .url = true});
    options.integer("batch", batch, {.doc = "Jobs per claim", .unit = "jobs", .min = 1, .max = 256});
    options.duration("poll-interval", poll,
                     {.doc = "Between two looks", .min = absl::Milliseconds(10), .max = absl::Minutes(1)});
    options.list("dispatcher-addresses", dispatchers, {.doc = "host:port"});
  }
};

const Options::Environment kDatabase = {{"RENDERYARD_DATABASE_URL", "postgresql://app:secret@db/x"}};

TEST(OptionsTest, DefaultsHoldWhenNothingIsGiven) {
  Target target;
  const auto result = target.options.parse({}, kDatabase);
  EXPECT_THAT(result.errors, IsEmpty());
  EXPECT_FALSE(result.exit_code);
  EXPECT_EQ(target.batch, 64);
  EXPECT_EQ(target.poll, absl::Seconds(1));
  EXPECT_EQ(target.database_url, "postgresql://app:secret@db/x");
}

TEST(OptionsTest, CommandLineGoesBeforeEnvironment) {
  Target target;
  auto environment = kDatabase;
  environment.emplace_back("RENDERYARD_BATCH", "7");
  environment.emplace_back("RENDERYARD_POLL_INTERVAL", "250ms");
  environment.emplace_back("PATH", "/bin");
  const auto result = target.options.parse({"--batch", "9", "--dispatcher-addresses=a:1, b:2"}, environment);
  EXPECT_THAT(result.errors, IsEmpty());
  EXPECT_EQ(target.batch, 9);
  EXPECT_EQ(target.poll, absl::Milliseconds(250));
  EXPECT_THAT(target.dispatchers, ElementsAre("a:1", "b:2"));
}

TEST(OptionsTest, AllErrorsAreReportedAtOnceWithTheirOption) {
  Target target;
  const auto result = target.options.parse({"--batch", "many", "--poll-interval=5"},
                                           {{"RENDERYARD_POLL_INTERVALL", "1s"}, {"RENDERYARD_BRIDGE_ID", "x"}});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.errors, SizeIs(4));
  EXPECT_THAT(result.errors, Contains(AllOf(HasSubstr("--batch"), HasSubstr("'many'"))));
  EXPECT_THAT(result.errors, Contains(AllOf(HasSubstr("--poll-interval"), HasSubstr("unit"))));
  EXPECT_THAT(result.errors, Contains(AllOf(HasSubstr("--database-url"), HasSubstr("required"))));
  EXPECT_THAT(result.errors, Contains(HasSubstr("RENDERYARD_POLL_INTERVALL")));
}

TEST(OptionsTest, RangesAreChecked) {
  for (const char* value : {"0", "257", "-1", "9223372036854775808"}) {
    Target target;
    const auto result = target.options.parse({std::string("--batch=") + value}, kDatabase);
    EXPECT_THAT(result.errors, ElementsAre(HasSubstr("--batch"))) << value;
  }
}

TEST(OptionsTest, UnknownOptionIsAnErrorThatDoesNotRepeatItsValue) {
  Target target;
  const auto result = target.options.parse({"--databse-url=postgresql://u:hunter2@db/x"}, kDatabase);
  EXPECT_THAT(result.errors, ElementsAre(AllOf(HasSubstr("--databse-url"), Not(HasSubstr("hunter2")))));
}

TEST(OptionsTest, OptionsOfOtherServicesMayStandInTheEnvironment) {
  Target target;
  auto environment = kDatabase;
  environment.emplace_back("RENDERYARD_HTTP_LISTEN", "127.0.0.1:80");
  EXPECT_THAT(target.options.parse({}, environment).errors, IsEmpty());
}

TEST(OptionsTest, PasswordOnTheCommandLineIsRefused) {
  for (const char* url : {"postgresql://u:hunter2@db/x", "host=db password=hunter2"}) {
    Target target;
    const auto result = target.options.parse({"--database-url", url}, {});
    EXPECT_THAT(result.errors, ElementsAre(AllOf(HasSubstr("--database-url"), HasSubstr("RENDERYARD_DATABASE_URL"),
                                                 Not(HasSubstr("hunter2")))));
  }
  Target target;
  EXPECT_THAT(target.options.parse({"--database-url", "postgresql://u@db:5432/x"}, {}).errors, IsEmpty());
}

TEST(OptionsTest, SecretMayComeFromAFile) {
  const std::string path = ::testing::TempDir() + "renderyard_options_secret";
  std::ofstream(path) << "postgresql://u:hunter2@db/x\n";
  Target target;
  EXPECT_THAT(target.options.parse({"--database-url-file", path}, {}).errors, IsEmpty());
  EXPECT_EQ(target.database_url, "postgresql://u:hunter2@db/x");
  Target twice;
  EXPECT_THAT(twice.options.parse({"--database-url-file", path}, kDatabase).errors, ElementsAre(HasSubstr("twice")));
  std::remove(path.c_str());
  Target missing;
  EXPECT_THAT(missing.options.parse({"--database-url-file", path}, {}).errors, Contains(HasSubstr("cannot be read")));
}

TEST(OptionsTest, CheckConfigPrintsWhatHoldsWithoutSecrets) {
  Target target;
  const auto result = target.options.parse({"--check-config", "--batch=3"}, kDatabase);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.output, AllOf(HasSubstr("batch = 3  (command line)"), HasSubstr("database-url = (set)"),
                                   Not(HasSubstr("secret"))));
}

TEST(OptionsTest, CheckConfigFailsOnErrors) {
  Target target;
  const auto result = target.options.parse({"--check-config", "--batch=0"}, kDatabase);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.errors, SizeIs(1));
}

TEST(OptionsTest, HelpVersionAndDocsExitWithoutChecks) {
  Target target;
  EXPECT_THAT(target.options.parse({"--help"}, {}).output, HasSubstr("RENDERYARD_POLL_INTERVAL"));
  EXPECT_THAT(target.options.parse({"--version"}, {}).output, HasSubstr("renderyard-test "));
  const auto docs = target.options.parse({"--print-config-docs"}, {});
  EXPECT_EQ(docs.exit_code, 0);
  EXPECT_THAT(docs.output, HasSubstr("| `--batch` | `RENDERYARD_BATCH` | 64 | 1 to 256 jobs | Jobs per claim |"));
}

TEST(OptionsTest, AnOptionOutsideTheTableIsADefect) {
  Options options("renderyard-test", "Tests.");
  std::string text;
  options.text("no-such-option", text, {.doc = "?"});
  EXPECT_THAT(options.parse({}, {}).errors, ElementsAre(HasSubstr("--no-such-option")));
}

TEST(EnvironmentTest, KubernetesVariablesAreNotOurs) {
  struct Row {
    const char* name;
    const char* value;
    bool expected;
  };
  const Row rows[] = {
      {"RENDERYARD_GATEWAY_SERVICE_HOST", "10.0.0.11", true},
      {"RENDERYARD_GATEWAY_SERVICE_PORT", "80", true},
      {"RENDERYARD_GATEWAY_SERVICE_PORT_HTTP", "80", true},
      {"RENDERYARD_GATEWAY_PORT", "tcp://10.0.0.11:80", true},
      {"RENDERYARD_GATEWAY_PORT_80_TCP", "tcp://10.0.0.11:80", true},
      {"RENDERYARD_GATEWAY_PORT_80_TCP_PROTO", "tcp", true},
      {"RENDERYARD_GATEWAY_PORT_80_TCP_PORT", "80", true},
      {"RENDERYARD_GATEWAY_PORT_80_TCP_ADDR", "10.0.0.11", true},
      {"RENDERYARD_GATEWAY_PORT", "80", false},
      {"RENDERYARD_GATEWAY_PORT_X_TCP", "80", false},
      {"RENDERYARD_PORT_FIEL", "x", false},
      {"RENDERYARD_GATEWAY", "tcp://10.0.0.11:80", false},
  };
  for (const Row& row : rows) EXPECT_EQ(is_kubernetes_variable(row.name, row.value), row.expected) << row.name;
}

TEST(BindRuleTest, OnlyLoopbackGoesWithoutTlsAndToken) {
  struct Row {
    const char* address;
    bool loopback;
  };
  const Row rows[] = {{"127.0.0.1:0", true},     {"127.9.8.7:1", true},          {"[::1]:50051", true},
                      {"localhost:50051", true}, {"[::ffff:127.0.0.1]:1", true}, {"0.0.0.0:50051", false},
                      {"[::]:50051", false},     {"10.0.0.1:1", false},          {"localhost.evil.org:1", false},
                      {"bridge:50051", false},   {"[::ffff:10.0.0.1]:1", false}};
  const TransportSecurity none;
  const TransportSecurity all{.tls_cert = "c", .tls_key = "k", .tls_ca = "", .service_token_file = "t"};
  const TransportSecurity no_token{.tls_cert = "c", .tls_key = "k", .tls_ca = "", .service_token_file = ""};
  const TransportSecurity no_tls{.tls_cert = "", .tls_key = "", .tls_ca = "", .service_token_file = "t"};
  for (const Row& row : rows) {
    EXPECT_EQ(check_listener("--grpc-listen", row.address, none).ok(), row.loopback) << row.address;
    EXPECT_EQ(check_listener("--grpc-listen", row.address, no_token).ok(), row.loopback) << row.address;
    EXPECT_EQ(check_listener("--grpc-listen", row.address, no_tls).ok(), row.loopback) << row.address;
    EXPECT_TRUE(check_listener("--grpc-listen", row.address, all).ok()) << row.address;
  }
  EXPECT_TRUE(check_listener("--admin-listen", "", none).ok());
}

TEST(BindRuleTest, RefusalComesWithTheOtherErrorsAtStart) {
  Options options("renderyard-test", "Tests.");
  CommonOptions common;
  std::string grpc_listen = "127.0.0.1:0";
  common.declare(options);
  declare_grpc_listen(options, grpc_listen, common);
  const auto result = options.parse({"--admin-listen=0.0.0.0:9000", "--grpc-listen=[::]:9001", "--tls-cert=c"}, {});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.errors, Contains(AllOf(HasSubstr("--admin-listen"), HasSubstr("--service-token-file"))));
  EXPECT_THAT(result.errors, Contains(HasSubstr("--grpc-listen")));
  EXPECT_THAT(result.errors, Contains(HasSubstr("--tls-cert, --tls-key")));
}

TEST(ListenAddressTest, MalformedOnesSayWhatIsWrong) {
  for (const char* text : {"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "::1:80",
                           "[::1]", "[nonsense]:80", ":80"}) {
    EXPECT_FALSE(parse_listen_address(text).ok()) << text;
  }
  EXPECT_EQ(parse_listen_address("[::1]:80")->text(), "[::1]:80");
  EXPECT_EQ(parse_listen_address("bridge-0:80")->text(), "bridge-0:80");
}

}  // namespace
}  // namespace renderyard::runtime
