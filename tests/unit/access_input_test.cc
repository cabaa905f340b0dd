#include "services/bridge/access_input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace renderyard::bridge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

AccessInput basic(std::string user, std::string password) {
  AccessInput access;
  access.basic = {std::move(user), std::move(password)};
  return access;
}

AccessInput header(std::string name, std::string value) {
  AccessInput access;
  access.headers.push_back({std::move(name), std::move(value)});
  return access;
}

std::string refusal(AccessInput access) {
  const auto result = check_access(std::move(access));
  EXPECT_TRUE(absl::IsInvalidArgument(result.status()));
  return std::string(result.status().message());
}

TEST(AccessInput, NothingIsNoHeader) {
  EXPECT_THAT(*check_access({}), IsEmpty());
}

TEST(AccessInput, CredentialsBecomeTheHeaderAuthorization) {
  EXPECT_THAT(*check_access(basic("Aladdin", "open sesame")),
              ElementsAre(ports::SecretHeader{"Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}));
  AccessInput bearer = header("X-Tenant", "7");
  bearer.bearer_token = "abc.def";
  EXPECT_THAT(*check_access(bearer), ElementsAre(ports::SecretHeader{"Authorization", "Bearer abc.def"},
                                                 ports::SecretHeader{"X-Tenant", "7"}));
}

TEST(AccessInput, BasicIsRefusedWhereItCouldNotBeReadBack) {
  EXPECT_THAT(refusal(basic("", "x")), HasSubstr("access.basic.user"));
  EXPECT_THAT(refusal(basic("a:b", "x")), HasSubstr("colon"));
  EXPECT_THAT(refusal(basic("a", "")), HasSubstr("access.basic.password"));
  AccessInput both = basic("a", "b");
  both.bearer_token = "t";
  EXPECT_THAT(refusal(both), HasSubstr("give one"));
}

TEST(AccessInput, HeadersThatHttpOrTheBridgeSetAreRefused) {
  for (const char* name : {"Host", "content-length", "Transfer-Encoding", "Connection", "Upgrade", "Origin", "ORIGIN",
                           "Sec-WebSocket-Key", "Content-Type", "Expect", "Range"}) {
    EXPECT_THAT(refusal(header(name, "x")), HasSubstr(name)) << name;
  }
}

TEST(AccessInput, NamesAndValuesCannotSmuggleALine) {
  for (const char* name : {"", "X Y", "X:Y", "X\r\nY", "Ä"}) EXPECT_THAT(refusal(header(name, "x")), HasSubstr("name"));
  for (const char* value : {"secret\r\nHost: evil", "secret\n", "sec\x7fret", "secr\xc3\xa4t", " secret", "secret "}) {
    const std::string why = refusal(header("X-Key", value));
    EXPECT_THAT(why, HasSubstr("access.headers: X-Key"));
    EXPECT_THAT(why, Not(HasSubstr("sec"))) << "values are secrets";
  }
  AccessInput bearer;
  bearer.bearer_token = "secret\n";
  EXPECT_THAT(refusal(bearer), HasSubstr("access.bearer_token"));
  EXPECT_THAT(refusal(header("X-Key", std::string(kMaxHeaderValue + 1, 'x'))), HasSubstr("longer than"));
}

TEST(AccessInput, NamesAreUniqueAndTheirNumberIsBounded) {
  AccessInput twice = header("X-Key", "1");
  twice.headers.push_back({"x-key", "2"});
  EXPECT_THAT(refusal(twice), HasSubstr("given twice"));
  AccessInput with_bearer = header("authorization", "x");
  with_bearer.bearer_token = "t";
  EXPECT_THAT(refusal(with_bearer), HasSubstr("given twice"));
  AccessInput many;
  for (std::size_t i = 0; i <= kMaxAccessHeaders; ++i) many.headers.push_back({"X-" + std::to_string(i), "v"});
  EXPECT_THAT(refusal(many), HasSubstr("at most 16"));
}

}  // namespace
}  // namespace renderyard::bridge
