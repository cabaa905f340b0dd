#include "libs/common/domain/submission.h"

#include <gtest/gtest.h>

#include <string>

namespace renderyard::domain {
namespace {

using Kind = PostVerdict::Kind;

PostVerdict answered(int status, std::string body) {
  return classify_post({.kind = PostOutcome::Kind::kAnswered,
                        .http_status = status,
                        .content_type = "",
                        .body = std::move(body),
                        .error = ""});
}

TEST(ClassifyPost, WhatTheTransportSaw) {
  struct Case {
    PostOutcome::Kind kind;
    Kind verdict;
    std::string proof;
  };
  const Case cases[] = {
      {PostOutcome::Kind::kConnectFailed, Kind::kNotAccepted, "connect_failed"},
      {PostOutcome::Kind::kNotSent, Kind::kNotAccepted, "not_sent"},
      {PostOutcome::Kind::kUnclear, Kind::kUnclear, "no_answer"},
  };
  for (const auto& c : cases) {
    const auto verdict =
        classify_post({.kind = c.kind, .http_status = 0, .content_type = "", .body = "", .error = "why"});
    EXPECT_EQ(verdict.kind, c.verdict);
    EXPECT_EQ(verdict.proof, c.proof);
    EXPECT_EQ(verdict.message, "why");
    EXPECT_FALSE(verdict.instance_misconfigured);
  }
}

TEST(ClassifyPost, AnswersThatAreNotComfyUIsStayUnclear) {
  EXPECT_EQ(answered(200, "<html>ok</html>").kind, Kind::kUnclear);
  EXPECT_EQ(answered(200, "{}").kind, Kind::kUnclear);
  EXPECT_EQ(answered(200, R"({"prompt_id":null})").kind, Kind::kUnclear);
  EXPECT_EQ(answered(200, "").kind, Kind::kUnclear);
  EXPECT_EQ(answered(400, "<html>400 Bad Request</html>").kind, Kind::kUnclear);
  EXPECT_EQ(answered(400, R"({"error":"bad gateway"})").kind, Kind::kUnclear);
  EXPECT_EQ(answered(413, "<html>413 Request Entity Too Large</html>").kind, Kind::kUnclear);
  for (const int status :
       {201, 204, 301, 302, 307, 308, 402, 407, 408, 409, 422, 425, 429, 500, 501, 502, 503, 504, 520}) {
    const auto verdict = answered(status, "x");
    EXPECT_EQ(verdict.kind, Kind::kUnclear) << status;
    EXPECT_EQ(verdict.proof, "answered_" + std::to_string(status));
  }
}

TEST(ClassifyPost, MisconfiguredInstancesAcceptNothing) {
  for (const int status : {401, 403, 404, 405}) {
    const auto verdict = answered(status, "<html>");
    EXPECT_EQ(verdict.kind, Kind::kNotAccepted) << status;
    EXPECT_TRUE(verdict.instance_misconfigured);
  }
}

TEST(ClassifyPost, AcceptedWithLossNamesTheNodes) {
  const auto verdict = answered(200, R"({"prompt_id":"p","number":1,"node_errors":{"7":{"errors":[
      {"type":"a","message":"Value not in list","details":"ckpt_name: 'x' not in []"},{"type":"b","message":"Second","details":""}],
      "dependent_outputs":["9"],"class_type":"CheckpointLoaderSimple"}}})");
  EXPECT_EQ(verdict.kind, Kind::kAccepted);
  EXPECT_EQ(verdict.prompt_id, "p");
  ASSERT_EQ(verdict.faults.size(), 1u);
  EXPECT_EQ(verdict.faults[0].node_id, "7");
  EXPECT_EQ(verdict.faults[0].node_class, "CheckpointLoaderSimple");
  EXPECT_EQ(verdict.faults[0].message, "Value not in list: ckpt_name: 'x' not in []; Second");
}

TEST(ClassifyPost, RefusedForAnUnknownClassNamesItsNode) {
  const auto verdict =
      answered(400, R"({"error":{"type":"missing_node_type","message":"Node 'X' not found.","details":"Node ID '#1'",
      "extra_info":{"node_id":"1","class_type":"NoSuchNode","node_title":"X"}},"node_errors":{}})");
  EXPECT_EQ(verdict.kind, Kind::kRefused);
  EXPECT_EQ(verdict.error_type, "missing_node_type");
  EXPECT_EQ(verdict.message, "Node 'X' not found.: Node ID '#1'");
  ASSERT_EQ(verdict.faults.size(), 1u);
  EXPECT_EQ(verdict.faults[0].node_class, "NoSuchNode");
}

TEST(ClassifyPost, OldServersWriteTheErrorAsAString) {
  const auto verdict = answered(400, R"({"error":"no prompt","node_errors":[]})");
  EXPECT_EQ(verdict.kind, Kind::kRefused);
  EXPECT_EQ(verdict.error_type, "no_prompt");
  EXPECT_TRUE(verdict.faults.empty());
}

TEST(ClassifyPost, LongMessagesAreCutBetweenCharacters) {
  std::string long_text;
  for (int i = 0; i < 3000; ++i) long_text += "ä";
  const auto verdict =
      answered(400, R"({"error":{"type":"t","message":"x)" + long_text + R"(","details":""},"node_errors":{}})");
  EXPECT_EQ(verdict.kind, Kind::kRefused);
  EXPECT_LT(verdict.message.size(), 4100u);
  EXPECT_TRUE(verdict.message.ends_with("ä …"));
}

TEST(StrongEvidence, NeedsAllOfIt) {
  const AbsenceEvidence all{.sender_is_gone = true,
                            .taken_over = false,
                            .same_server_life = true,
                            .behind_proxy = false,
                            .unknown_heard = false,
                            .absent_rounds = 2,
                            .seconds_between_rounds = kSubmitSettleSeconds};
  EXPECT_TRUE(is_strong(all));
  auto evidence = all;
  evidence.sender_is_gone = false;
  EXPECT_FALSE(is_strong(evidence));
  evidence = all;
  evidence.taken_over = true;
  EXPECT_FALSE(is_strong(evidence));
  evidence = all;
  evidence.same_server_life = false;
  EXPECT_FALSE(is_strong(evidence));
  evidence = all;
  evidence.behind_proxy = true;
  EXPECT_FALSE(is_strong(evidence));
  evidence = all;
  evidence.unknown_heard = true;
  EXPECT_FALSE(is_strong(evidence));
  evidence = all;
  evidence.absent_rounds = 1;
  EXPECT_FALSE(is_strong(evidence));
  evidence = all;
  evidence.seconds_between_rounds = 9.9;
  EXPECT_FALSE(is_strong(evidence));
  EXPECT_FALSE(is_strong(AbsenceEvidence()));
}

}  // namespace
}  // namespace renderyard::domain
