// Credentials as the command line reads them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cli/access_file.h"

namespace renderyard::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(CliAccessTest, EachKindIsRead) {
  const auto basic = parse_access(R"({"basic":{"user":"anna","password":"p:w"},"headers":{"X-A":"1","X-B":"2"}})");
  ASSERT_TRUE(basic.ok()) << basic.status();
  EXPECT_EQ(basic->basic().user(), "anna");
  EXPECT_EQ(basic->basic().password(), "p:w");
  ASSERT_EQ(basic->headers_size(), 2);
  EXPECT_EQ(basic->headers(1).name(), "X-B");
  EXPECT_EQ(basic->headers(1).value(), "2");
  const auto bearer = parse_access(R"({"bearer":"abc"})");
  ASSERT_TRUE(bearer.ok()) << bearer.status();
  EXPECT_EQ(bearer->bearer_token(), "abc");
  EXPECT_FALSE(bearer->has_basic());
}

TEST(CliAccessTest, WhatIsWrongIsNamedAndNoValueIsRepeated) {
  for (const auto& [json, name] : {std::pair<const char*, const char*>{"secret", "no JSON object"},
                                   {R"(["secret"])", "no JSON object"},
                                   {R"({"token":"secret"})", "token is unknown"},
                                   {R"({"bearer":["secret"]})", "bearer must be a string"},
                                   {R"({"basic":{"user":"a","pass":"secret"}})", "basic.pass is unknown"},
                                   {R"({"headers":{"X":{"a":"secret"}}})", "headers.X must be a string"}}) {
    const auto result = parse_access(json);
    ASSERT_TRUE(absl::IsInvalidArgument(result.status())) << json;
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(name));
    EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("secret")));
  }
}

TEST(CliAccessTest, AFileThatIsNotThereIsNamed) {
  const auto result = read_access_file("/nowhere/access.json");
  EXPECT_TRUE(absl::IsNotFound(result.status()));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("/nowhere/access.json"));
}

}  // namespace
}  // namespace renderyard::cli
