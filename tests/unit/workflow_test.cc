#include "libs/common/domain/workflow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <utility>

namespace renderyard::domain {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kSmall[] = R"({
  "3": {"class_type": "KSampler", "_meta": {"title": "Sampler"}, "inputs": {"seed": 18446744073709551616123, "cfg": 8.0, "denoise": 1e400}},
  "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "ComfyUI"}},
  "10": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": ["3", 0]}}
})";

std::string refusal(std::string_view text) {
  const auto info = inspect_workflow(text);
  EXPECT_TRUE(absl::IsInvalidArgument(info.status())) << text;
  return std::string(info.status().message());
}

TEST(InspectWorkflow, ListsNodesClassesAndNeeds) {
  const auto info = inspect_workflow(kSmall);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->nodes.size(), 3u);
  EXPECT_EQ(info->nodes.at("3").title, "Sampler");
  EXPECT_EQ(info->nodes.at("9").title, "");
  EXPECT_THAT(info->classes, ::testing::ElementsAre("KSampler", "SaveImage"));
  EXPECT_EQ(info->needs_key.size(), 32u);
  // The same classes need the same, whatever the ids.
  const auto other =
      inspect_workflow(R"({"a":{"class_type":"SaveImage","inputs":{}},"b":{"class_type":"KSampler","inputs":{}}})");
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->needs_key, info->needs_key);
  const auto more = inspect_workflow(R"({"a":{"class_type":"SaveImage","inputs":{}}})");
  EXPECT_NE(more->needs_key, info->needs_key);
}

TEST(InspectWorkflow, RefusalsNameCodeFieldAndRemedy) {
  EXPECT_THAT(refusal(R"({"nodes":[],"links":[],"version":0.4})"),
              AllOf(StartsWith("ui_workflow: "), HasSubstr("Workflow → Export (API)"), HasSubstr("Save (API Format)")));
  EXPECT_THAT(refusal(R"({"last_node_id":3,"nodes":[{"id":1,"type":"KSampler"}]})"), StartsWith("ui_workflow: "));
  EXPECT_THAT(refusal("{}"), StartsWith("invalid_workflow: the workflow has no nodes"));
  EXPECT_THAT(refusal("[]"), StartsWith("invalid_workflow: "));
  EXPECT_THAT(refusal("\"x\""), StartsWith("invalid_workflow: "));
  EXPECT_THAT(refusal(""), StartsWith("invalid_workflow: "));
  EXPECT_THAT(refusal("{\"1\": NaN}"), AllOf(StartsWith("invalid_workflow: "), HasSubstr("line 1")));
  EXPECT_THAT(refusal(R"({"5": {"inputs": {}}})"),
              AllOf(StartsWith("invalid_workflow: "), HasSubstr("\"5\""), HasSubstr("class_type")));
  EXPECT_THAT(refusal(R"({"5": {"class_type": 7, "inputs": {}}})"), HasSubstr("class_type"));
  EXPECT_THAT(refusal(R"({"5": {"class_type": "A"}})"), AllOf(HasSubstr("\"5\""), HasSubstr("inputs")));
  EXPECT_THAT(refusal(R"({"5": {"class_type": "A", "inputs": []}})"), HasSubstr("inputs"));
  EXPECT_THAT(refusal(R"({"version": 1, "5": {"class_type": "A", "inputs": {}}})"), HasSubstr("\"version\""));
  EXPECT_THAT(refusal(R"({"5": {"class_type": "A", "inputs": {}}, "\u0035": {"class_type": "B", "inputs": {}}})"),
              HasSubstr("twice"));
  EXPECT_THAT(refusal(R"({"prompt": {"5": {"class_type": "A", "inputs": {}}}})"), HasSubstr("POST /prompt"));
  EXPECT_THAT(refusal(R"({"client_id": "x", "prompt": {"5": {"class_type": "A", "inputs": {}}}})"),
              HasSubstr("POST /prompt"));
  EXPECT_THAT(refusal(R"({"5": {"class_type": "A", "inputs": {"text": "a\u0000b"}}})"),
              AllOf(StartsWith("unstorable_text: "), HasSubstr("U+0000")));
  EXPECT_THAT(refusal(R"({"5": {"class_type": "A", "inputs": {"text": "\ud800"}}})"), StartsWith("unstorable_text: "));
}

TEST(NodeBehind, IsTheNodeItselfOrTheOneThatBecameIt) {
  const auto info =
      inspect_workflow(R"({"5":{"class_type":"Loop","inputs":{}},"a.b":{"class_type":"Save","inputs":{}}})");
  ASSERT_TRUE(info.ok());
  const auto class_behind = [&](std::string_view id) {
    const WorkflowNode* node = node_behind(*info, id);
    return node == nullptr ? "" : node->class_type;
  };
  EXPECT_EQ(class_behind("5"), "Loop");
  EXPECT_EQ(class_behind("5.0.0.1"), "Loop");
  EXPECT_EQ(class_behind("a.b"), "Save");
  EXPECT_EQ(class_behind("a.b.0.0.3"), "Save");
  for (const char* other : {"", ".", "a", "a.c", "6.0.0.1", "55", "5x.1"}) EXPECT_EQ(class_behind(other), "") << other;
}

TEST(InspectWorkflow, NodesMayHaveAnyName) {
  EXPECT_TRUE(
      inspect_workflow(R"({"nodes": {"class_type": "A", "inputs": {}}, "links": {"class_type": "A", "inputs": {}}})")
          .ok());
  EXPECT_TRUE(inspect_workflow(R"({"prompt": {"class_type": "A", "inputs": {}}})").ok());
  EXPECT_TRUE(inspect_workflow("{\"n\xC3\xA4me \xF0\x9F\x98\x80:1\": {\"class_type\": \"A\", \"inputs\": {}}}").ok());
}

std::string body_of(std::string_view workflow, std::string_view extra = "", bool unique = true,
                    std::string_view prompt_id = "pid") {
  const auto body = prompt_body(workflow, "client \"1\"", prompt_id, "42", "7", extra, unique);
  EXPECT_TRUE(body.ok()) << body.status();
  return body.value_or("");
}

TEST(PromptBody, OnlyLiteralPrefixesChange) {
  std::string expected(kSmall);
  expected.replace(expected.find("\"ComfyUI\""), 9, "\"renderyard/42/ComfyUI\"");
  EXPECT_EQ(
      body_of(kSmall),
      "{\"prompt\":" + expected +
          R"(,"client_id":"client \"1\"","prompt_id":"pid","extra_data":{"renderyard":{"execution_id":"42","job_id":"7","prompt_id":"pid"}}})");
}

TEST(PromptBody, WithoutUniquePrefixTheTextIsTheUsers) {
  EXPECT_EQ(body_of(kSmall, "", false).find(kSmall), std::string("{\"prompt\":").size());
}

TEST(PromptBody, NoPromptIdMeansNoKey) {
  EXPECT_EQ(body_of(kSmall, "", true, "").find("prompt_id"), std::string::npos);
}

TEST(PromptBody, OnlyInputsOfNodesArePrefixes) {
  const std::string other =
      R"({"1":{"class_type":"A","_meta":{"filename_prefix":"m"},"inputs":{"text":"filename_prefix","deep":{"filename_prefix":"d"}}}})";
  EXPECT_NE(body_of(other).find(other), std::string::npos);
}

TEST(PromptBody, PrefixesKeepTheirFoldersAndCannotLeaveOurs) {
  const std::pair<std::string, std::string> cases[] = {
      {R"("a/b")", R"("renderyard/42/a/b")"},
      {R"("")", R"("renderyard/42/")"},
      {R"("../../etc/x")", R"("renderyard/42/etc/x")"},
      {R"("/abs/x")", R"("renderyard/42/abs/x")"},
      {R"("..\\..\\x")", R"("renderyard/42/x")"},
      {R"("a..b/%date:yyyy-MM-dd%")", R"("renderyard/42/a..b/%date:yyyy-MM-dd%")"},
      {R"("\u00e4\"")", "\"renderyard/42/\xC3\xA4\\\"\""},
  };
  for (const auto& [given, expected] : cases) {
    const auto body = body_of(R"({"1":{"class_type":"A","inputs":{"filename_prefix": )" + given + "}}}");
    EXPECT_THAT(body, HasSubstr("\"filename_prefix\": " + expected + "}")) << given;
  }
}

TEST(PromptBody, ExtraDataIsKeptMarkedAndFreedOfPoison) {
  const auto extra_of = [](std::string_view extra) {
    const auto body = body_of(R"({"1":{"class_type":"A","inputs":{}}})", extra);
    const auto at = body.find("\"extra_data\":") + 13;
    return body.substr(at, body.size() - at - 1);
  };
  const std::string ours = R"("renderyard":{"execution_id":"42","job_id":"7","prompt_id":"pid"})";
  EXPECT_EQ(extra_of("{}"), "{" + ours + "}");
  EXPECT_EQ(extra_of(R"({"a": 18446744073709551616, "renderyard": "forged"})"),
            R"({"a":18446744073709551616,)" + ours + "}");
  EXPECT_EQ(extra_of(R"({"extra_pnginfo": null})"), "{" + ours + "}");
  EXPECT_EQ(extra_of(R"({"extra_pnginfo": {"workflow": null, "b": 1}})"), R"({"extra_pnginfo":{"b":1},)" + ours + "}");
  EXPECT_EQ(extra_of(R"({"extra_pnginfo": {"workflow": {"nodes": []}}})"),
            R"({"extra_pnginfo":{"workflow":{"nodes": []}},)" + ours + "}");
}

TEST(PromptBody, IsJsonForEveryWorkflow) {
  boost::system::error_code error;
  const auto body = boost::json::parse(body_of(kSmall, R"({"extra_pnginfo":{}})"), error);
  // 1e400 is JSON, and beyond what this parser's doubles hold.
  ASSERT_TRUE(!error || error == boost::json::error::exponent_overflow) << error.message();
}

TEST(PromptBody, RefusesWhatIsNoObject) {
  EXPECT_FALSE(prompt_body("[]", "c", "p", "1", "2", "", true).ok());
  EXPECT_FALSE(prompt_body("{", "c", "p", "1", "2", "", true).ok());
  EXPECT_FALSE(prompt_body("{}", "c", "p", "1", "2", "[]", true).ok());
  EXPECT_FALSE(prompt_body("{}", "c", "p", "1", "2", "{", true).ok());
}

}  // namespace
}  // namespace renderyard::domain
