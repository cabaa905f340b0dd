#include "libs/common/domain/comfy_json.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace renderyard::domain {
namespace {

std::string normalised(std::string_view text) {
  const auto document = parse_comfy_json(text);
  return document.ok() ? document->root().to_json() : std::string("error: ") + std::string(document.status().message());
}

TEST(ComfyJson, NormalisesWhatPythonWrites) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[NaN, Infinity, -Infinity]", "[null,null,null]"},
      {"NaN", "null"},
      {R"({"NaN": "NaN, Infinity and -Infinity"})", R"({"NaN":"NaN, Infinity and -Infinity"})"},
      {R"(["a\"NaN", NaN])", R"(["a\"NaN",null])"},
      {R"(["a\\", NaN])", R"(["a\\",null])"},
      {R"(["\u0000x"])", "[\"\xEF\xBF\xBDx\"]"},
      {R"({"a\u0000b": 1})",
       "{\"a\xEF\xBF\xBD"
       "b\":1}"},
      {R"(["\ud83d\ude00"])", "[\"\xF0\x9F\x98\x80\"]"},
      {R"(["\ud83d", "\ude00x", "\ud83d\u0041"])",
       "[\"\xEF\xBF\xBD\",\"\xEF\xBF\xBDx\",\"\xEF\xBF\xBD"
       "A\"]"},
      {"[18446744073709551615, -9223372036854775808]", "[18446744073709551615,-9223372036854775808]"},
      {"[18446744073709551616]", "[1.8446744073709552e+19]"},
      {"[-9223372036854775809]", "[-9.223372036854776e+18]"},
      {"[1e400, -1e400, 1e-400]", "[null,null,0]"},
      {"[0.1, 1.5e3, -0.0]", "[0.1,1500,-0]"},
      {R"(["tab\tnew\nline\u0001"])", R"(["tab\u0009new\u000aline\u0001"])"},
      {" {} ", "{}"},
      {"true", "true"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(normalised(text), expected) << text;
}

TEST(ComfyJson, KeepsTheFortyDigitSeedAsADouble) {
  const std::string digits(400, '9');
  EXPECT_EQ(normalised("[" + std::string(40, '1') + "]"), "[1.1111111111111112e+39]");
  EXPECT_EQ(normalised("[" + digits + "]"), "[null]");
}

TEST(ComfyJson, RefusesWhatIsNoJson) {
  for (const std::string text : {"", " ", "{", "[1,]", "[1 2]", "nan", "NaNa", "Infinit", "[--1]", "{\"a\"}", "[1]x",
                                 "'a'", "[+1]", "\"\xFF\"", "\"\x01\"", "[01]", "-"}) {
    EXPECT_FALSE(parse_comfy_json(text).ok()) << text;
  }
}

TEST(ComfyJson, BoundsNesting) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_comfy_json(nested(200)).ok());
  EXPECT_FALSE(parse_comfy_json(nested(300)).ok());
  EXPECT_FALSE(parse_comfy_json(nested(1000000)).ok());
  EXPECT_FALSE(parse_comfy_json(std::string(1000000, '[')).ok());
}

TEST(ComfyJson, SaysWhetherItHadToRepair) {
  EXPECT_FALSE(parse_comfy_json(R"({"a": [1, "NaN"]})")->repaired());
  EXPECT_TRUE(parse_comfy_json(R"({"a": NaN})")->repaired());
}

TEST(ComfyJson, AskingForWhatIsNotThereGivesTheFallback) {
  const auto document = parse_comfy_json(R"({"s": "text", "n": 7, "f": 1.5, "a": [10], "b": true, "z": null})");
  ASSERT_TRUE(document.ok());
  const auto root = document->root();
  EXPECT_FALSE(root["missing"]);
  EXPECT_FALSE(root["missing"]["deeper"][std::size_t{3}]);
  EXPECT_EQ(root["n"].string_or("none"), "none");
  EXPECT_EQ(root["n"].id_text(), "7");
  EXPECT_EQ(root["f"].id_text(), "");
  EXPECT_EQ(root["s"].id_text(), "text");
  EXPECT_EQ(root["s"].number(), std::nullopt);
  EXPECT_EQ(root["n"].number(), 7.0);
  EXPECT_TRUE(root["b"].bool_or(false));
  EXPECT_TRUE(root["s"].bool_or(true));
  EXPECT_TRUE(root["z"].is_null());
  EXPECT_TRUE(root["s"].items().empty());
  EXPECT_TRUE(root["a"].members().empty());
  EXPECT_EQ(root["a"][std::size_t{0}].number(), 10.0);
  EXPECT_FALSE(root["a"][std::size_t{1}]);
}

}  // namespace
}  // namespace renderyard::domain
