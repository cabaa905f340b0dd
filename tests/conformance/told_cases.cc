// Cases of what a bridge tells people beside an execution's progress, and of prompts that may surface after their
// executions have ended.
#include <gmock/gmock.h>

#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::ExecutionState;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Kind = ports::Settlement::Kind;

constexpr char kWarnings[] =
    R"([{"code":"accepted_with_loss","message":"no such \"file\"","node_id":"9","node_class":"Save"}])";

TEST_P(StoreSuite, WarningsStayWithTheJobAndAreToldWithItsStartAndItsEnd) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  EXPECT_FALSE(job(id).warnings_json);
  ports::Advance step;
  step.id = e;
  step.epoch = lease.epoch;
  step.from = {ExecutionState::kSubmitting};
  step.to = ExecutionState::kRunning;
  step.warnings_json = kWarnings;
  ASSERT_TRUE(must(executions().advance(step)));
  ASSERT_TRUE(settle(settlement(Kind::kStart, id, e)));
  ASSERT_TRUE(complete(e, lease));
  ASSERT_TRUE(settle(settlement(Kind::kComplete, id, e)));
  const ports::JobRow row = job(id);
  ASSERT_TRUE(row.warnings_json);
  EXPECT_TRUE(same_json(*row.warnings_json, kWarnings)) << *row.warnings_json;
  const auto events = events_of(id);
  ASSERT_THAT(events, SizeIs(4));
  EXPECT_THAT(events[2].data_json, HasSubstr("accepted_with_loss"));
  EXPECT_THAT(events[3].data_json, HasSubstr("accepted_with_loss"));
  EXPECT_THAT(events[3].data_json, HasSubstr("actual_duration_secs"));
}

TEST_P(StoreSuite, WithoutWarningsNothingIsSaidOfThem) {
  const Running run = running();
  const ports::JobId id = execution(run.execution).job_id;
  ASSERT_TRUE(complete(run.execution, run.lease));
  ASSERT_TRUE(settle(settlement(Kind::kComplete, id, run.execution)));
  EXPECT_FALSE(job(id).warnings_json);
  for (const ports::JobEvent& event : events_of(id)) EXPECT_THAT(event.data_json, Not(HasSubstr("warnings")));
}

TEST_P(StoreSuite, WhatHoldsAJobUpAndSinceWhenItIsSilentIsShownWhileItLasts) {
  const Running run = running();
  const ports::JobId id = execution(run.execution).job_id;
  ASSERT_TRUE(settle(settlement(Kind::kStart, id, run.execution)));
  const auto write = [&](std::string message, std::optional<absl::Duration> silence) {
    ports::ProgressWrite progress{run.execution, run.lease.epoch, 42, "3"};
    progress.message = std::move(message);
    progress.silence_told = silence;
    std::vector<ports::ProgressWrite> writes{progress};
    ASSERT_TRUE(await(executions().record_progress(writes)).ok());
  };
  write("the store is full", absl::Seconds(90));
  EXPECT_EQ(job(id).progress_message, "the store is full");
  ASSERT_TRUE(job(id).silent_since);
  const absl::Duration silent = execution(run.execution).read_at - *job(id).silent_since;
  EXPECT_GE(silent, absl::Seconds(90));
  EXPECT_LT(silent, absl::Seconds(150));
  write("", std::nullopt);
  EXPECT_FALSE(job(id).progress_message);
  EXPECT_FALSE(job(id).silent_since);

  write("it does not stop", absl::Seconds(10));
  advance(run.execution, run.lease, ExecutionState::kCollecting);
  EXPECT_FALSE(job(id).silent_since) << "its prompt is over";
  EXPECT_EQ(job(id).progress_message, "it does not stop");
  ASSERT_TRUE(complete(run.execution, run.lease));
  EXPECT_FALSE(job(id).progress_message) << "nothing holds up what has ended";
}

TEST_P(StoreSuite, AStartedExecutionKnowsWhatTheCacheIsTold) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  ports::NewJob sent = new_job();
  sent.job_type = "lora_training";
  sent.metadata_json = R"({"characterId":"c-7","other":"x"})";
  const ports::ExecutionId e = claim(submit(sent), instance);
  const auto started = start(e, lease);
  ASSERT_TRUE(started);
  EXPECT_EQ(started->job_type, "lora_training");
  EXPECT_EQ(started->character_id, "c-7");
  EXPECT_EQ(started->cluster_epoch, must(jobs().cluster()).epoch);
  const auto loaded = must(executions().load(e));
  EXPECT_EQ(loaded.character_id, "c-7");
  EXPECT_EQ(loaded.cluster_epoch, started->cluster_epoch);
}

// Counted absent on strong evidence, or nobody can know: the prompt may surface at its instance all the same.
TEST_P(StoreSuite, APromptThatMaySurfaceIsNewsUntilSomebodyHasLookedAfterIt) {
  for (const auto& [to, proof] :
       {std::pair(ExecutionState::kNotAccepted, "absent_strong"), std::pair(ExecutionState::kLost, "unclear")}) {
    const std::string name = std::string("gpu-") + proof;
    const ports::InstanceId instance = add_instance(name);
    const ports::Lease lease = connect(instance, name);
    const ports::ExecutionId e = claim(submit(), instance);
    ASSERT_TRUE(start(e, lease));
    EXPECT_FALSE(must(executions().record_stray(e, instance, lease.epoch, "vanished"))) << "it lives";
    end(e, lease, to, proof);
    const auto news = must(executions().news(name, {}));
    ASSERT_THAT(news, SizeIs(1)) << proof;
    EXPECT_EQ(news[0].id, e);
    EXPECT_EQ(news[0].outcome_proof, proof);
    EXPECT_FALSE(must(executions().record_stray(e, instance, ports::Epoch{lease.epoch.value + 1}, "completed")));
    EXPECT_TRUE(must(executions().record_stray(e, instance, lease.epoch, "completed")));
    EXPECT_FALSE(must(executions().record_stray(e, instance, lease.epoch, "vanished"))) << "once";
    EXPECT_EQ(execution(e).stray_outcome, "completed");
    EXPECT_EQ(execution(e).state, to) << "a final state never changes";
    EXPECT_THAT(must(executions().news(name, {})), IsEmpty());
  }
}

TEST_P(StoreSuite, WhatWasProvablyNotSentIsNoNewsOnceItHasEnded) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::ExecutionId e = claim(submit(), instance);
  ASSERT_TRUE(start(e, lease));
  end(e, lease, ExecutionState::kNotAccepted, "connect_failed");
  EXPECT_THAT(must(executions().news("bridge-1", {})), IsEmpty());
  EXPECT_FALSE(must(executions().record_stray(e, instance, lease.epoch, "vanished")));
}

}  // namespace
}  // namespace renderyard::conformance
