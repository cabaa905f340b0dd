// POST /jobs bodies: what is good becomes the job to the byte, what is bad is refused by code and field.
#include "services/api-gateway/job_request.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/common/domain/error_code.h"

namespace renderyard::gateway {
namespace {

const std::string kWorkflow =
    R"({ "9": {"class_type":"SaveImage", "inputs":{"seed": 18446744073709551615 , "x":1.50} } })";

std::string body_with(const std::string& rest) {
  return R"({"job_type":"image_generation","parameters":{"workflow":)" + kWorkflow + "}" + rest + "}";
}

std::string parameters_with(const std::string& rest) {
  return R"({"job_type":"t","parameters":{"workflow":)" + kWorkflow + rest + "}}";
}

TEST(JobRequestTest, KeepsTheWorkflowToTheByteAndTheRestApart) {
  const std::string body = R"( {"priority":-3,"parameters":{"limits":{"run_secs":90},"workflow":)" + kWorkflow +
                           R"(,"extra_data":{"k":"v"},"placement":null},"job_type":"face swap ✓","name":"n",)" +
                           R"("metadata":{"characterId":"c1"},"estimated_duration_secs":60} )";
  const auto job = parse_job_request(body);
  ASSERT_TRUE(job.ok()) << job.problem().detail;
  EXPECT_EQ(job->workflow, kWorkflow);
  EXPECT_EQ(job->parameters_json, R"({"limits":{"run_secs":90},"extra_data":{"k":"v"}})");
  EXPECT_EQ(job->job_type, "face swap ✓");
  EXPECT_EQ(job->priority, -3);
  EXPECT_EQ(job->name, "n");
  EXPECT_EQ(job->metadata_json, R"({"characterId":"c1"})");
  EXPECT_EQ(job->estimated_duration_secs, 60);
  EXPECT_FALSE(job->needs_key.empty());
}

TEST(JobRequestTest, LimitsAreWholeSeconds) {
  const auto job =
      parse_job_request(parameters_with(R"(,"limits":{"wait_secs":1,"run_secs":2592000,"silence_secs":null})"));
  ASSERT_TRUE(job.ok()) << job.problem().detail;
  EXPECT_EQ(job->wait_limit, absl::Seconds(1));
  EXPECT_EQ(job->parameters_json, R"({"limits":{"wait_secs":1,"run_secs":2592000,"silence_secs":null}})");
  const auto without = parse_job_request(parameters_with(R"(,"limits":{"run_secs":5})"));
  ASSERT_TRUE(without.ok()) << without.problem().detail;
  EXPECT_FALSE(without->wait_limit);
  const auto wrong = parse_job_request(parameters_with(R"(,"limits":{"silence_secs":0})"));
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(
      wrong.problem().detail,
      "parameters.limits.silence_secs must be a whole number from 1 to 2592000 (seconds); leave it out for no limit");
}

TEST(JobRequestTest, WhatIsLeftOutHasItsDefault) {
  const auto job = parse_job_request(body_with(R"(,"name":null,"priority":null,"metadata":null)"));
  ASSERT_TRUE(job.ok()) << job.problem().detail;
  EXPECT_EQ(job->priority, 0);
  EXPECT_EQ(job->parameters_json, "{}");
  EXPECT_FALSE(job->name || job->metadata_json || job->estimated_duration_secs);
}

struct Bad {
  std::string name;
  std::string body;
  std::string_view code;
  std::string field;
};

TEST(JobRequestTest, EverythingElseIsRefusedByCodeAndField) {
  namespace code = domain::code;
  const std::string deep = std::string(200, '[') + std::string(200, ']');
  const std::string ui = R"({"nodes":[],"links":[],"last_node_id":3})";
  const std::string long_type(101, 'x');
  std::string many = "{";
  for (int i = 0; i < 65; ++i) many += (i == 0 ? "" : ",") + ("\"k" + std::to_string(i)) + "\":\"v\"";
  many += "}";
  const std::vector<Bad> table = {
      {"empty", "", code::kMalformedJson, ""},
      {"broken", "{\"job_type\":", code::kMalformedJson, ""},
      {"not utf-8", "{\"job_type\":\"\xff\"}", code::kMalformedJson, ""},
      {"behind the end", body_with("") + "x", code::kMalformedJson, ""},
      {"an array", "[]", code::kMalformedJson, ""},
      {"too deep", R"({"job_type":)" + deep + "}", code::kMalformedJson, ""},
      {"bare NaN", body_with(",\"priority\":NaN"), code::kMalformedJson, ""},
      {"NUL byte", std::string("{\"job_type\":\"a\0b\"}", 18), code::kUnstorableText, ""},
      {"NUL escape", body_with(R"(,"name":"a\u0000b")"), code::kUnstorableText, ""},
      {"NUL in the workflow",
       R"({"job_type":"t","parameters":{"workflow":{"1":{"class_type":"A\u0000","inputs":{}}}}})",
       code::kUnstorableText, ""},
      {"half a surrogate", body_with(R"(,"name":"\ud800")"), code::kUnstorableText, ""},
      {"doubled at the top", body_with(R"(,"job_type":"b")"), code::kInvalidField, "job_type"},
      {"doubled by an escape", body_with(R"(,"name":"a","n\u0061me":"b")"), code::kInvalidField, "name"},
      {"doubled below", body_with(R"(,"metadata":{"a":"1","a":"2"})"), code::kInvalidField, "metadata.a"},
      {"doubled input",
       R"({"job_type":"t","parameters":{"workflow":{"1":{"class_type":"A","inputs":{"seed":1,"seed":2}}}}})",
       code::kInvalidField, "parameters.workflow.1.inputs.seed"},
      {"unknown", body_with(R"(,"prio":1)"), code::kUnknownField, "prio"},
      {"unknown below", parameters_with(R"(,"worflow":{})"), code::kUnknownField, "parameters.worflow"},
      {"the workflow itself", kWorkflow, code::kUnknownField, "9"},
      {"no type", R"({"parameters":{"workflow":)" + kWorkflow + "}}", code::kMissingField, "job_type"},
      {"no parameters", R"({"job_type":"t"})", code::kMissingField, "parameters"},
      {"no workflow", R"({"job_type":"t","parameters":{}})", code::kMissingField, "parameters.workflow"},
      {"type is a number", R"({"job_type":1})", code::kInvalidField, "job_type"},
      {"type is empty", R"({"job_type":""})", code::kInvalidField, "job_type"},
      {"type is long", R"({"job_type":")" + long_type + "\"}", code::kInvalidField, "job_type"},
      {"parameters is text", R"({"job_type":"t","parameters":"x"})", code::kInvalidField, "parameters"},
      {"priority above", body_with(",\"priority\":11"), code::kInvalidField, "priority"},
      {"priority below", body_with(",\"priority\":-11"), code::kInvalidField, "priority"},
      {"priority is a fraction", body_with(",\"priority\":1.5"), code::kInvalidField, "priority"},
      {"priority is text", body_with(",\"priority\":\"1\""), code::kInvalidField, "priority"},
      {"priority is huge", body_with(",\"priority\":99999999999999999999"), code::kInvalidField, "priority"},
      {"duration is zero", body_with(",\"estimated_duration_secs\":0"), code::kInvalidField, "estimated_duration_secs"},
      {"name is empty", body_with(",\"name\":\"\""), code::kInvalidField, "name"},
      {"metadata is a list", body_with(",\"metadata\":[]"), code::kInvalidField, "metadata"},
      {"metadata holds a number", body_with(",\"metadata\":{\"a\":1}"), code::kInvalidField, "metadata.a"},
      {"metadata is large", body_with(",\"metadata\":" + many), code::kInvalidField, "metadata"},
      {"placement is text", parameters_with(",\"placement\":\"x\""), code::kInvalidField, "parameters.placement"},
      {"a limit of nothing", parameters_with(R"(,"limits":{"run":60})"), code::kUnknownField, "parameters.limits.run"},
      {"a limit of no time", parameters_with(R"(,"limits":{"run_secs":0})"), code::kInvalidField,
       "parameters.limits.run_secs"},
      {"a limit of a year", parameters_with(R"(,"limits":{"wait_secs":31536000})"), code::kInvalidField,
       "parameters.limits.wait_secs"},
      {"a limit in a text", parameters_with(R"(,"limits":{"silence_secs":"60"})"), code::kInvalidField,
       "parameters.limits.silence_secs"},
      {"a limit with a fraction", parameters_with(R"(,"limits":{"run_secs":1.5})"), code::kInvalidField,
       "parameters.limits.run_secs"},
      {"our own extra data", parameters_with(R"(,"extra_data":{"renderyard":{}})"), code::kInvalidField,
       "parameters.extra_data.renderyard"},
      {"UI format", R"({"job_type":"t","parameters":{"workflow":)" + ui + "}}", code::kUiWorkflow,
       "parameters.workflow"},
      {"UI format as the body", ui, code::kUiWorkflow, ""},
      {"workflow in a text", R"({"job_type":"t","parameters":{"workflow":"{}"}})", code::kInvalidWorkflow,
       "parameters.workflow"},
      {"empty workflow", R"({"job_type":"t","parameters":{"workflow":{}}})", code::kInvalidWorkflow,
       "parameters.workflow"},
      {"a node without class", R"({"job_type":"t","parameters":{"workflow":{"1":{"inputs":{}}}}})",
       code::kInvalidWorkflow, "parameters.workflow"},
  };
  for (const Bad& bad : table) {
    const auto job = parse_job_request(bad.body);
    ASSERT_FALSE(job.ok()) << bad.name;
    EXPECT_EQ(job.problem().code, bad.code) << bad.name << ": " << job.problem().detail;
    EXPECT_EQ(job.problem().field, bad.field) << bad.name;
    EXPECT_GT(job.problem().detail.size(), 15u) << bad.name;
    EXPECT_EQ(job.problem().http_status(), 400) << bad.name;
  }
}

TEST(JobRequestTest, TheUiFormatIsToldHowToExport) {
  const auto job = parse_job_request(R"({"job_type":"t","parameters":{"workflow":{"nodes":[],"links":[]}}})");
  ASSERT_FALSE(job.ok());
  EXPECT_NE(job.problem().detail.find("Export (API)"), std::string::npos) << job.problem().detail;
}

TEST(JobRequestTest, IdempotencyKeysArePrintable) {
  EXPECT_FALSE(check_idempotency_key("order 7"));
  EXPECT_FALSE(check_idempotency_key(std::string(255, 'k')));
  for (const std::string& key : {std::string(), std::string(256, 'k'), std::string("a\tb"), std::string("schlüssel")}) {
    const auto problem = check_idempotency_key(key);
    ASSERT_TRUE(problem) << key;
    EXPECT_EQ(problem->code, domain::code::kInvalidField);
  }
}

}  // namespace
}  // namespace renderyard::gateway
