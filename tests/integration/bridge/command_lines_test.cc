// Command lines of the services that are wrong in ways that only their own checks know: refused before anything starts,
// with the option's name and what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/integration/bridge/program.h"

namespace renderyard::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using Environment = std::map<std::string, std::string>;

const Environment kDatabase = {{"RENDERYARD_DATABASE_URL", "postgresql://renderyard@db/renderyard"}};
const std::vector<std::string> kSecurity = {"--tls-cert=c.pem", "--tls-key=k.pem", "--service-token-file=token"};

struct Checked {
  int exit_code = -1;
  std::string said;
};

Checked check(const std::string& program, std::vector<std::string> arguments,
              const Environment& environment = kDatabase) {
  arguments.insert(arguments.begin(), "--check-config");
  Program run(program, std::move(arguments), environment);
  Checked checked;
  checked.exit_code = run.exit_code().value_or(-1);
  checked.said = run.said();
  return checked;
}

std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(CommandLinesTest, ABridgeThatListensEverywhereMustSayWhereItIsReached) {
  for (const char* listen : {"0.0.0.0:7412", "[::]:7412", "0.0.0.0:0"}) {
    SCOPED_TRACE(listen);
    const auto arguments = with(kSecurity, {std::string("--grpc-listen=") + listen});
    const Checked refused = check("renderyard-bridge", arguments);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.said, AllOf(HasSubstr("--grpc-listen"), HasSubstr("--grpc-address")));
    const Checked taken = check("renderyard-bridge", with(arguments, {"--grpc-address=bridge-0.local:7412"}));
    EXPECT_EQ(taken.exit_code, 0) << taken.said;
    EXPECT_THAT(taken.said, HasSubstr("grpc-address = bridge-0.local:7412"));
  }
  for (const char* listen : {"127.0.0.1:0", "[::1]:7412", "10.0.0.5:7412"}) {
    const Checked taken = check("renderyard-bridge", with(kSecurity, {std::string("--grpc-listen=") + listen}));
    EXPECT_EQ(taken.exit_code, 0) << listen << taken.said;
  }
}

TEST(CommandLinesTest, AListenerBeyondLoopbackNeedsTlsAndToken) {
  const Checked refused = check("renderyard-bridge", {"--grpc-listen=10.0.0.5:7412", "--admin-listen=0.0.0.0:9000"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.said, AllOf(HasSubstr("--grpc-listen"), HasSubstr("--admin-listen"), HasSubstr("--tls-cert"),
                                  HasSubstr("--service-token-file")));
}

TEST(CommandLinesTest, SubmissionAttemptsHaveARangeAndAVariable) {
  for (const char* value : {"0", "21", "-1", "three"}) {
    const Checked refused = check("renderyard-dispatcher", {std::string("--submission-attempts=") + value});
    EXPECT_EQ(refused.exit_code, 2) << value;
    EXPECT_THAT(refused.said, HasSubstr("--submission-attempts")) << value;
  }
  const Checked usual = check("renderyard-dispatcher", {});
  EXPECT_EQ(usual.exit_code, 0) << usual.said;
  EXPECT_THAT(usual.said, HasSubstr("submission-attempts = 3"));
  Environment environment = kDatabase;
  environment["RENDERYARD_SUBMISSION_ATTEMPTS"] = "20";
  const Checked given = check("renderyard-dispatcher", {}, environment);
  EXPECT_EQ(given.exit_code, 0) << given.said;
  EXPECT_THAT(given.said, HasSubstr("submission-attempts = 20  (RENDERYARD_SUBMISSION_ATTEMPTS)"));
  EXPECT_EQ(check("renderyard-bridge", {}, environment).exit_code, 0) << "it is another service's, not a mistake";
}

// However libpq would take it.
TEST(CommandLinesTest, ADatabasePasswordOnTheCommandLineIsRefusedAndNotRepeated) {
  for (const char* url :
       {"host=db password=hunter2", "host=db password = hunter2", "host=db password\t=\t'hunter2' user=u",
        "password='hunter2'", "host=db sslpassword=hunter2", "postgresql://u:hunter2@db/x",
        "postgres://:hunter2@db:5432/x", "postgresql://db/x?user=u&password=hunter2"}) {
    SCOPED_TRACE(url);
    for (const char* program : {"renderyard-bridge", "renderyard-dispatcher"}) {
      const Checked refused = check(program, {"--database-url", url}, {});
      EXPECT_EQ(refused.exit_code, 2);
      EXPECT_THAT(refused.said,
                  AllOf(HasSubstr("--database-url"), HasSubstr("RENDERYARD_DATABASE_URL"), Not(HasSubstr("hunter2"))));
    }
  }
  for (const char* url : {"host=db user=u passfile=/run/pgpass", "postgresql://u@db:5432/x"}) {
    EXPECT_EQ(check("renderyard-bridge", {"--database-url", url}, {}).exit_code, 0) << url;
  }
}

TEST(CommandLinesTest, WhatHoldsIsShownWithoutSecrets) {
  const Environment environment = {{"RENDERYARD_DATABASE_URL", "host=db password = hunter2"},
                                   {"RENDERYARD_REDIS_URL", "redis://:hunter3@cache:6379/0"}};
  const Checked shown = check("renderyard-bridge", {}, environment);
  EXPECT_EQ(shown.exit_code, 0) << shown.said;
  EXPECT_THAT(shown.said, AllOf(HasSubstr("database-url = (set)"), HasSubstr("redis-url = (set)"),
                                Not(HasSubstr("hunter2")), Not(HasSubstr("hunter3"))));
}

}  // namespace
}  // namespace renderyard::testing
