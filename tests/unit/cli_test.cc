// The command line's pure parts: job bodies cut from files, and what the feed says applied to what is known.
#include <gtest/gtest.h>

#include "cli/job_body.h"
#include "cli/watch.h"

namespace renderyard::cli {
namespace {

constexpr char kWorkflow[] = R"({"3": {"class_type":"KSampler","inputs":{"seed": 18446744073709551000 ,"cfg":8.0}}, )"
                             R"("4":{"class_type":"Other","inputs":{"noise_seed":5,"seed":["3",0]}}})";

TEST(CliJobBodyTest, AWorkflowIsWrappedAsItIs) {
  const auto made = make_job_bodies(kWorkflow, JobOptions());
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_EQ(made->bodies.size(), 1u);
  EXPECT_EQ(made->bodies[0],
            std::string(R"({"job_type":"image_generation","parameters":{"workflow":)") + kWorkflow + "}}");
}

TEST(CliJobBodyTest, EachJobHasSeedsOfItsOwn) {
  JobOptions options;
  options.jobs = 2;
  auto made = make_job_bodies(kWorkflow, options);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->seed_inputs, 2);
  EXPECT_NE(made->bodies[0].find(R"("seed": 18446744073709551000 ,)"), std::string::npos);
  EXPECT_NE(made->bodies[1].find(R"("seed": 18446744073709551001 ,)"), std::string::npos);
  EXPECT_NE(made->bodies[1].find(R"("noise_seed":6,"seed":["3",0])"), std::string::npos) << "a link stays a link";
  options.seed = 100;
  made = make_job_bodies(kWorkflow, options);
  EXPECT_NE(made->bodies[1].find(R"("seed": 101 ,)"), std::string::npos);
  EXPECT_NE(made->bodies[1].find(R"("noise_seed":101)"), std::string::npos);
}

TEST(CliJobBodyTest, AJobBodyKeepsItsFieldsUnlessToldOtherwise) {
  const std::string file =
      std::string(R"({"job_type":"face_swap","priority":3,"parameters":{"limits":{},"workflow":)") + kWorkflow +
      R"(},"metadata":{"k":"v"}})";
  JobOptions options;
  options.priority = -1;
  options.name = "a \"name\"";
  const auto made = make_job_bodies(file, options);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->bodies[0], std::string(R"({"job_type":"face_swap","parameters":{"limits":{},"workflow":)") +
                                 kWorkflow + R"(},"metadata":{"k":"v"},"priority":-1,"name":"a \"name\""})");
}

TEST(CliJobBodyTest, WhatIsNotJsonIsRefused) {
  EXPECT_FALSE(make_job_bodies("{", JobOptions()).ok());
  EXPECT_FALSE(make_job_bodies("", JobOptions()).ok());
}

TEST(CliWatchTest, MessagesMoveTheJobs) {
  WatchedJobs jobs;
  jobs[7];
  FeedStep step = apply_message(
      R"({"type":"snapshot","position":"e-1","more":true,"jobs":[{"id":7,"status":"running","progress_percent":10}]})",
      jobs);
  EXPECT_FALSE(step.position) << "a snapshot in parts is closed by its last one";
  EXPECT_EQ(jobs[7].percent, 10);
  step = apply_message(R"({"type":"job_progress","job_id":7,"percent":42,"current_node":"3","node_class":"KSampler",)"
                       R"("node_title":"Sampler"})",
                       jobs);
  EXPECT_EQ(jobs[7].percent, 42);
  EXPECT_EQ(jobs[7].node, "Sampler · KSampler #3");
  apply_message(R"({"type":"job_progress","job_id":7,"percent":41})", jobs);
  EXPECT_EQ(jobs[7].percent, 42);
  step = apply_message(R"({"type":"job_completed","job_id":8,"position":"e-5"})", jobs);
  EXPECT_EQ(step.position, "e-5");
  EXPECT_TRUE(step.changed.empty()) << "another job";
  step = apply_message(R"({"type":"job_failed","job_id":7,"position":"e-6","error":{"code":"node_error",)"
                       R"("message":"out of memory","node_id":"3","node_class":"KSampler"}})",
                       jobs);
  EXPECT_TRUE(jobs[7].final());
  EXPECT_EQ(jobs[7].error, "node_error: out of memory (node 3 KSampler)");
  apply_message(R"({"type":"job_started","job_id":7,"position":"e-4"})", jobs);
  EXPECT_EQ(jobs[7].status, "failed") << "an end is an end";
}

TEST(CliWatchTest, UnknownAndBrokenMessagesAreLeftAlone) {
  WatchedJobs jobs;
  jobs[7];
  for (const char* text : {"", "{", "[]", R"({"type":"something_new","job_id":7})", R"({"job_id":"7"})"}) {
    const FeedStep step = apply_message(text, jobs);
    EXPECT_TRUE(step.error_code.empty()) << text;
    EXPECT_EQ(jobs[7].status, "pending") << text;
  }
  EXPECT_EQ(apply_message(R"({"type":"error","code":"slow_consumer","detail":"d"})", jobs).error_code, "slow_consumer");
}

}  // namespace
}  // namespace renderyard::cli
