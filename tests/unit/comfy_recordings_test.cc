// Every frame and every answer that real servers of three versions gave, through the parsers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/domain/comfy_json.h"
#include "libs/common/domain/comfy_message.h"
#include "libs/common/domain/submission.h"
#include "libs/common/domain/workflow.h"
#include "tests/unit/recordings.h"

namespace renderyard {
namespace {

using namespace domain;
using testing::recordings;

std::string type_name(const ComfyMessage& message) {
  struct Name {
    std::string operator()(const ComfyStatus&) const { return "status"; }
    std::string operator()(const ExecutionStart&) const { return "execution_start"; }
    std::string operator()(const ExecutionCached&) const { return "execution_cached"; }
    std::string operator()(const Executing&) const { return "executing"; }
    std::string operator()(const NodeProgress&) const { return "progress"; }
    std::string operator()(const ProgressState&) const { return "progress_state"; }
    std::string operator()(const Executed&) const { return "executed"; }
    std::string operator()(const ExecutionSuccess&) const { return "execution_success"; }
    std::string operator()(const ExecutionError&) const { return "execution_error"; }
    std::string operator()(const ExecutionInterrupted&) const { return "execution_interrupted"; }
    std::string operator()(const FeatureFlags&) const { return "feature_flags"; }
    std::string operator()(const UnknownMessage& m) const { return m.type; }
    std::string operator()(const PreviewImage&) const { return "binary"; }
    std::string operator()(const TextFrame&) const { return "binary"; }
  };
  return std::visit(Name(), message);
}

bool is_post_prompt(const testing::RecordedExchange& exchange) {
  return exchange.method == "POST" && (exchange.path == "/prompt" || exchange.path == "/api/prompt");
}

PostOutcome answered(const testing::RecordedExchange& exchange) {
  return {.kind = PostOutcome::Kind::kAnswered,
          .http_status = exchange.status,
          .content_type = exchange.content_type,
          .body = exchange.body,
          .error = ""};
}

TEST(ComfyRecordings, AreAllThere) {
  std::set<std::string> versions;
  for (const auto& recording : recordings()) versions.insert(recording.version);
  EXPECT_THAT(versions, ::testing::ElementsAre("0.3.64", "0.33.0", "2024-06-30"));
  EXPECT_GE(recordings().size(), 135u);
}

TEST(ComfyRecordings, EveryTextFrameIsReadAndKeepsItsType) {
  int frames = 0;
  std::set<std::string> types;
  for (const auto& recording : recordings()) {
    for (const auto& event : recording.events) {
      if (!event.frame || event.frame->binary) continue;
      SCOPED_TRACE(recording.name + ": " + event.frame->bytes.substr(0, 200));
      ++frames;
      const auto message = parse_text_frame(event.frame->bytes);
      ASSERT_TRUE(message.ok()) << message.status();
      const auto document = parse_comfy_json(event.frame->bytes);
      ASSERT_TRUE(document.ok());
      EXPECT_EQ(type_name(*message), document->root()["type"].string_or(""));
      EXPECT_EQ(prompt_id_of(*message), document->root()["data"]["prompt_id"].string_or(""));
      types.insert(type_name(*message));
    }
  }
  EXPECT_GT(frames, 2000);
  EXPECT_THAT(types, ::testing::IsSupersetOf({"status", "execution_start", "execution_cached", "executing", "progress",
                                              "progress_state", "executed", "execution_success", "execution_error",
                                              "execution_interrupted", "feature_flags"}));
}

TEST(ComfyRecordings, EveryBinaryFrameIsRead) {
  int pictures = 0;
  int with_prompt = 0;
  int texts = 0;
  for (const auto& recording : recordings()) {
    for (const auto& event : recording.events) {
      if (!event.frame || !event.frame->binary) continue;
      SCOPED_TRACE(recording.name);
      const auto message = parse_binary_frame(event.frame->bytes);
      ASSERT_TRUE(message.ok()) << message.status();
      if (const auto* picture = std::get_if<PreviewImage>(&*message)) {
        ++pictures;
        with_prompt += picture->prompt_id.empty() ? 0 : 1;
        const bool png = picture->content_type == "image/png";
        EXPECT_TRUE(picture->data.starts_with(png ? "\x89PNG" : "\xFF\xD8\xFF"));
      } else {
        ASSERT_TRUE(std::holds_alternative<TextFrame>(*message));
        ++texts;
        EXPECT_FALSE(std::get<TextFrame>(*message).node_id.empty());
        EXPECT_FALSE(std::get<TextFrame>(*message).text.empty());
      }
    }
  }
  EXPECT_GT(pictures, 20);
  EXPECT_GT(with_prompt, 5);
  EXPECT_GT(texts, 1);
}

TEST(ComfyRecordings, EveryHistoryAnswerIsRead) {
  int entries = 0;
  for (const auto& recording : recordings()) {
    for (const auto& event : recording.events) {
      if (!event.exchange || event.exchange->status != 200 || event.exchange->trimmed) continue;
      const auto& exchange = *event.exchange;
      const auto at = exchange.path.find("/history");
      if (at == std::string::npos || exchange.method != "GET") continue;
      SCOPED_TRACE(recording.name + " " + exchange.path);
      const auto listing = parse_history_listing(exchange.body);
      ASSERT_TRUE(listing.ok()) << listing.status();
      for (const auto& item : *listing) {
        ++entries;
        const auto entry = parse_history(exchange.body, item.prompt_id);
        ASSERT_TRUE(entry.ok()) << entry.status();
        ASSERT_TRUE(entry->has_value());
        // What ends up in a jsonb column must be strict JSON.
        boost::system::error_code error;
        boost::json::parse((*entry)->outputs_json, error);
        EXPECT_FALSE(error) << (*entry)->outputs_json;
        EXPECT_EQ((*entry)->outputs_json.find("\\u0000"), std::string::npos);
        EXPECT_EQ((*entry)->end == HistoryEnd::kError, (*entry)->error.has_value());
        EXPECT_EQ((*entry)->end == HistoryEnd::kInterrupted, (*entry)->interrupted.has_value());
        const bool says_success = exchange.body.find("\"completed\":false") == std::string::npos &&
                                  exchange.body.find("\"completed\": false") == std::string::npos;
        if (says_success) EXPECT_EQ((*entry)->end, HistoryEnd::kSuccess);
      }
      const auto unknown = parse_history(exchange.body, "no such prompt");
      ASSERT_TRUE(unknown.ok());
      EXPECT_FALSE(unknown->has_value());
    }
  }
  EXPECT_GT(entries, 60);
}

TEST(ComfyRecordings, HistoryTellsInterruptedFromFailedInEveryVersion) {
  std::set<std::pair<std::string, HistoryEnd>> seen;
  for (const auto& recording : recordings()) {
    const bool interrupted = recording.name.ends_with("/interrupt-running");
    if (!interrupted && !recording.name.ends_with("/node-exception")) continue;
    for (const auto& event : recording.events) {
      if (!event.exchange || event.exchange->path.find("/history/") == std::string::npos) continue;
      const auto id = event.exchange->path.substr(event.exchange->path.rfind('/') + 1);
      const auto entry = parse_history(event.exchange->body, id);
      ASSERT_TRUE(entry.ok());
      if (entry->has_value()) seen.emplace(recording.version, (*entry)->end);
    }
  }
  for (const std::string version : {"0.3.64", "0.33.0", "2024-06-30"}) {
    EXPECT_TRUE(seen.contains({version, HistoryEnd::kInterrupted})) << version;
    EXPECT_TRUE(seen.contains({version, HistoryEnd::kError})) << version;
  }
}

TEST(ComfyRecordings, EveryQueueAnswerIsRead) {
  int items = 0;
  for (const auto& recording : recordings()) {
    for (const auto& event : recording.events) {
      if (!event.exchange || event.exchange->status != 200 || event.exchange->trimmed) continue;
      if (event.exchange->method != "GET" || !event.exchange->path.ends_with("/queue")) continue;
      SCOPED_TRACE(recording.name);
      const auto listing = parse_queue(event.exchange->body);
      ASSERT_TRUE(listing.ok()) << listing.status();
      EXPECT_LE(listing->running.size(), 1u);
      for (std::size_t i = 1; i < listing->pending.size(); ++i) {
        EXPECT_LE(listing->pending[i - 1].number, listing->pending[i].number);
      }
      for (const auto& item : listing->running) EXPECT_TRUE(listing->is_running(item.prompt_id));
      for (const auto& item : listing->pending) {
        ASSERT_NE(listing->find(item.prompt_id), nullptr);
      }
      items += static_cast<int>(listing->running.size() + listing->pending.size());
    }
  }
  EXPECT_GT(items, 40);
}

TEST(ComfyRecordings, EveryAnswerToPostPromptIsJudged) {
  int accepted = 0;
  int refused = 0;
  int unclear = 0;
  for (const auto& recording : recordings()) {
    for (const auto& event : recording.events) {
      if (!event.exchange || !is_post_prompt(*event.exchange)) continue;
      const auto& exchange = *event.exchange;
      SCOPED_TRACE(recording.name + " " + exchange.body.substr(0, 300));
      const auto verdict = classify_post(answered(exchange));
      EXPECT_EQ(verdict.proof, "answered_" + std::to_string(exchange.status));
      switch (exchange.status) {
        case 200: {
          ++accepted;
          EXPECT_EQ(verdict.kind, PostVerdict::Kind::kAccepted);
          const auto body = boost::json::parse(exchange.body).as_object();
          EXPECT_EQ(verdict.prompt_id, std::string(body.at("prompt_id").as_string()));
          const auto* errors = body.at("node_errors").if_object();
          EXPECT_EQ(verdict.faults.size(), errors == nullptr ? 0 : errors->size());
          break;
        }
        case 400: {
          ++refused;
          EXPECT_EQ(verdict.kind, PostVerdict::Kind::kRefused);
          EXPECT_FALSE(verdict.error_type.empty());
          EXPECT_FALSE(verdict.message.empty());
          const auto body = boost::json::parse(exchange.body).as_object();
          if (const auto* errors = body.at("node_errors").if_object(); errors != nullptr && !errors->empty()) {
            ASSERT_EQ(verdict.faults.size(), errors->size());
            for (const auto& fault : verdict.faults) {
              EXPECT_FALSE(fault.message.empty());
              EXPECT_FALSE(fault.node_class.empty());
              EXPECT_EQ(fault.message.find("Traceback"), std::string::npos);
            }
          }
          break;
        }
        case 413:
          ++refused;
          EXPECT_EQ(verdict.kind, PostVerdict::Kind::kRefused);
          break;
        case 403:
        case 404:
        case 405:
          EXPECT_EQ(verdict.kind, PostVerdict::Kind::kNotAccepted);
          EXPECT_TRUE(verdict.instance_misconfigured);
          break;
        default:
          ++unclear;
          EXPECT_GE(exchange.status, 500);
          EXPECT_EQ(verdict.kind, PostVerdict::Kind::kUnclear);
      }
    }
  }
  EXPECT_GT(accepted, 200);
  EXPECT_GT(refused, 40);
  EXPECT_GT(unclear, 10);
}

TEST(ComfyRecordings, EveryAcceptedWorkflowPassesTheDoorUnlessItHasWhatNoStoreTakes) {
  int workflows = 0;
  int unstorable = 0;
  for (const auto& recording : recordings()) {
    for (const auto& event : recording.events) {
      if (!event.exchange || !is_post_prompt(*event.exchange) || event.exchange->status != 200) continue;
      const auto* prompt = event.exchange->request_body.if_contains("prompt");
      if (prompt == nullptr) continue;
      const std::string text = boost::json::serialize(*prompt);
      SCOPED_TRACE(recording.name + " " + text.substr(0, 300));
      const auto info = inspect_workflow(text);
      if (text.find("\\u0000") != std::string::npos) {
        ++unstorable;
        ASSERT_FALSE(info.ok());
        EXPECT_TRUE(info.status().message().find("unstorable_text: ") == 0) << info.status();
        continue;
      }
      ASSERT_TRUE(info.ok()) << info.status();
      EXPECT_EQ(info->nodes.size(), prompt->as_object().size());
      ++workflows;
    }
  }
  EXPECT_GT(workflows, 200);
  EXPECT_EQ(unstorable, 3);
}

}  // namespace
}  // namespace renderyard
