// Broken input of every kind: the parsers may refuse it, never crash. What they do accept must be storable.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <string>
#include <vector>

#include "libs/common/base/random.h"
#include "libs/common/domain/comfy_json.h"
#include "libs/common/domain/comfy_message.h"
#include "libs/common/domain/json_text.h"
#include "libs/common/domain/submission.h"
#include "libs/common/domain/workflow.h"
#include "tests/unit/recordings.h"

namespace renderyard {
namespace {

using namespace domain;

std::vector<std::string> corpus(bool binary) {
  std::vector<std::string> out;
  for (const auto& recording : testing::recordings()) {
    for (const auto& event : recording.events) {
      if (event.frame && event.frame->binary == binary && event.frame->bytes.size() < 8192)
        out.push_back(event.frame->bytes);
      if (event.exchange && !binary && !event.exchange->body.empty() && event.exchange->body.size() < 8192) {
        out.push_back(event.exchange->body);
      }
    }
  }
  return out;
}

std::string mutated(std::string text, base::Random& random) {
  static const std::string tokens[] = {"NaN",
                                       "-Infinity",
                                       "\\u0000",
                                       "\\ud800",
                                       "\"",
                                       "\\",
                                       "{",
                                       "[",
                                       "]",
                                       "}",
                                       ":",
                                       ",",
                                       "null",
                                       "1e999",
                                       "99999999999999999999",
                                       "18446744073709551617",
                                       std::string(1, '\0'),
                                       "\xFF",
                                       "\xE2\x82"};
  const auto rounds = 1 + random.below(4);
  for (std::uint64_t i = 0; i < rounds && !text.empty(); ++i) {
    const auto at = random.below(text.size());
    switch (random.below(5)) {
      case 0:
        text[at] = static_cast<char>(random.below(256));
        break;
      case 1:
        text.resize(at);
        break;
      case 2:
        text.erase(at, 1 + random.below(8));
        break;
      case 3:
        text.insert(at, tokens[random.below(std::size(tokens))]);
        break;
      default: {
        const auto piece = text.substr(at, 1 + random.below(64));
        text.insert(random.below(text.size()), piece);
      }
    }
  }
  return text;
}

TEST(ComfyMutations, TextNeverCrashesAParser) {
  base::SplitMix random(20260601);
  const auto texts = corpus(false);
  ASSERT_GT(texts.size(), 1000u);
  int read = 0;
  for (int i = 0; i < 30000; ++i) {
    const std::string text = mutated(texts[random.below(texts.size())], random);
    const auto document = parse_comfy_json(text);
    if (document.ok()) {
      ++read;
      const std::string written = document->root().to_json();
      EXPECT_TRUE(simdjson::validate_utf8(written));
      // A second reading changes nothing any more, so the normal form is strict JSON.
      const auto again = parse_comfy_json(written);
      ASSERT_TRUE(again.ok()) << written;
      EXPECT_FALSE(again->repaired()) << written;
      EXPECT_EQ(again->root().to_json(), written);
    }
    // Only that they return is asked here.
    (void)parse_text_frame(text).ok();
    (void)parse_history_listing(text).ok();
    (void)parse_history(text, "x").ok();
    (void)parse_queue(text).ok();
    const PostOutcome outcome{.kind = PostOutcome::Kind::kAnswered,
                              .http_status = random.chance(0.5) ? 200 : 400,
                              .content_type = "application/json",
                              .body = text,
                              .error = ""};
    EXPECT_NE(classify_post(outcome).kind, PostVerdict::Kind::kNotAccepted);
    if (inspect_workflow(text).ok()) {
      EXPECT_TRUE(prompt_body(text, "c", "p", "1", "2", "", true).ok());
    }
  }
  EXPECT_GT(read, 1000);
}

TEST(ComfyMutations, StrictCheckAgreesWithAnotherParser) {
  base::SplitMix random(4711);
  const auto texts = corpus(false);
  int agreed_ok = 0;
  for (int i = 0; i < 30000; ++i) {
    const std::string text = mutated(texts[random.below(texts.size())], random);
    boost::system::error_code error;
    boost::json::parse_options options;
    options.max_depth = 1000;
    boost::json::parse(text, error, {}, options);
    const auto status = check_json_text(text);
    if (status.ok()) ++agreed_ok;
    if (absl::IsFailedPrecondition(status)) continue;              // JSON, but not storable: stricter on purpose
    if (error == boost::json::error::exponent_overflow) continue;  // a limit of that parser, not of JSON
    EXPECT_EQ(status.ok(), !error) << text << "\n" << status << " / " << error.message();
  }
  EXPECT_GT(agreed_ok, 1000);
}

TEST(ComfyMutations, BinaryNeverCrashesAParser) {
  base::SplitMix random(99);
  const auto frames = corpus(true);
  ASSERT_GT(frames.size(), 10u);
  int read = 0;
  for (int i = 0; i < 20000; ++i) {
    auto frame = frames[random.below(frames.size())];
    frame.resize(std::min<std::size_t>(frame.size(), 300));  // so that headers are hit often
    if (parse_binary_frame(mutated(std::move(frame), random)).ok()) ++read;
  }
  EXPECT_GT(read, 100);
}

}  // namespace
}  // namespace renderyard
