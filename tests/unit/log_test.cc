#include "libs/common/runtime/log.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>
#include <limits>
#include <string>

namespace renderyard::runtime {
namespace {

using base::Field;
using base::Severity;

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(LogTest, LineHasTheFixedKeysFirst) {
  const std::string line =
      format_log_line(absl::FromUnixMillis(1'767'323'045'678), Severity::kWarning, "bridge", "socket_lost",
                      {{"instance_id", 3}, {"reason", "reset"}, {"elapsed_ms", 1.5}, {"again", true}});
  EXPECT_EQ(line, R"({"ts":"2026-01-02T03:04:05.678Z","level":"warning","service":"bridge","event":"socket_lost",)"
                  R"("instance_id":3,"reason":"reset","elapsed_ms":1.5,"again":true})");
}

TEST(LogTest, EveryByteGivesValidJsonOnOneLine) {
  for (int first = 0; first < 256; ++first) {
    for (const int second : {0x00, 0x0A, 0x22, 0x41, 0x5C, 0x80, 0x9F, 0xBF, 0xC2, 0xED, 0xF4, 0xFF}) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      const std::string line = format_log_line(absl::UnixEpoch(), Severity::kInfo, "s", "e", {{"k", text}});
      EXPECT_EQ(line.find('\n'), std::string::npos);
      boost::json::error_code error;
      const auto value = boost::json::parse(line, error);
      ASSERT_FALSE(error) << first << " " << second << ": " << line;
      if (first < 0x80 && second < 0x80) {
        EXPECT_EQ(value.as_object().at("k").as_string(), text);
      }
    }
  }
}

TEST(LogTest, WellFormedTextIsKeptAndTheRestReplaced) {
  EXPECT_EQ(json_string("Grüße 漢 \xF0\x9F\x8E\xA8"), "\"Grüße 漢 \xF0\x9F\x8E\xA8\"");
  EXPECT_EQ(json_string("a\"b\\c\n\t\x01\x7F"), "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f\"");
  EXPECT_EQ(json_string("\xFFx"), "\"\xEF\xBF\xBDx\"");
  EXPECT_EQ(json_string("\xC0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                  // overlong NUL
  EXPECT_EQ(json_string("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");  // surrogate
  EXPECT_EQ(json_string("\xE6\xBC"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                  // cut short
}

TEST(LogTest, NumbersThatJsonLacksAreNull) {
  const std::string line = format_log_line(absl::UnixEpoch(), Severity::kInfo, "s", "e",
                                           {{"nan", std::nan("")}, {"inf", std::numeric_limits<double>::infinity()}});
  EXPECT_NE(line.find(R"("nan":null,"inf":null)"), std::string::npos);
}

TEST(LogTest, LevelHoldsBackLesserEvents) {
  ::testing::internal::CaptureStderr();
  {
    JsonLog log("bridge", "warning");
    log.info("not_this");
    log.error("this", {{"n", 1}});
  }
  const std::string written = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(written.find("not_this"), std::string::npos);
  EXPECT_NE(written.find(R"("level":"error","service":"bridge","event":"this","n":1})"), std::string::npos);
}

}  // namespace
}  // namespace renderyard::runtime
