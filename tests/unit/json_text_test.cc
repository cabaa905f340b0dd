#include "libs/common/domain/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace renderyard::domain {
namespace {

TEST(JsonText, AcceptsExactlyJson) {
  for (const std::string text : {"{}", " [] ", "0", "-0.5e+3", "\"\\ud83d\\ude00\"", "[1,{\"a\":[true,false,null]}]",
                                 "1e400", "123456789012345678901234567890"}) {
    EXPECT_TRUE(check_json_text(text).ok()) << text;
  }
  for (const std::string text :
       {"",         " ",   "{",     "[1,]",   "{\"a\":1,}", "01",          "1.",  ".5",   "+1",   "NaN",
        "Infinity", "'a'", "{a:1}", "\"\t\"", "\"\\x\"",    "\"\\u12g4\"", "tru", "[1]]", "\xFF", "//"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(check_json_text(text))) << text;
  }
}

TEST(JsonText, NamesTheLine) {
  EXPECT_THAT(std::string(check_json_text("{\n \"a\": 1,\n}").message()), ::testing::HasSubstr("line 3 column 1"));
}

TEST(JsonText, TextThatNoStoreTakesIsSaidSo) {
  for (const std::string text : {R"(["\u0000"])", R"({"\u0000":1})", R"(["\ud800"])", R"(["\udc00\ud800"])"}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(check_json_text(text))) << text;
  }
  // Broken JSON is the graver fault.
  EXPECT_TRUE(absl::IsInvalidArgument(check_json_text(R"(["\u0000")")));
}

TEST(JsonText, BoundsNesting) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
  };
  EXPECT_TRUE(check_json_text(nested(kJsonTextDepth)).ok());
  EXPECT_FALSE(check_json_text(nested(kJsonTextDepth + 1)).ok());
  EXPECT_FALSE(check_json_text(std::string(5000000, '[')).ok());
}

TEST(JsonText, MembersKeepTheTextOfTheirValues) {
  const std::string text = R"( { "a" : 18446744073709551617 , "b\u0041" : { "x" : [1, 2] } , "a": "last" } )";
  const auto members = json_members(text);
  ASSERT_EQ(members.size(), 3u);
  EXPECT_EQ(members[0].value, "18446744073709551617");
  EXPECT_EQ(members[1].key, "bA");
  EXPECT_EQ(members[1].value, R"({ "x" : [1, 2] })");
  EXPECT_EQ(json_member(text, "a"), "\"last\"");
  EXPECT_EQ(json_member(text, "none"), "");
  EXPECT_TRUE(json_members("[1]").empty());
}

TEST(JsonText, DecodesStrings) {
  EXPECT_EQ(json_string(R"("a\"\\\/\b\f\n\r\t\u00e4\u20ac\ud83d\ude00z")"),
            "a\"\\/\b\f\n\r\t\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80z");
}

}  // namespace
}  // namespace renderyard::domain
