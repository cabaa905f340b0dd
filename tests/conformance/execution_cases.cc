// Cases of ExecutionStore: the intent, compare-and-set with its fences, slots, outputs, progress.
#include <gmock/gmock.h>

#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::ExecutionState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ports::Advance step_of(ports::ExecutionId id, ports::Epoch epoch, ExecutionState from, ExecutionState to) {
  ports::Advance step;
  step.id = id;
  step.epoch = epoch;
  step.from = {from};
  step.to = to;
  return step;
}

TEST_P(StoreSuite, StartCommitsTheIntentAndBringsTheWorkflow) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  ports::NewJob sent = new_job();
  const ports::JobId id = submit(sent);
  const ports::ExecutionId e = claim(id, instance);
  const auto started = must(executions().start(e, instance, lease.epoch, "ry-1-1"));
  ASSERT_TRUE(started);
  EXPECT_EQ(started->execution.state, ExecutionState::kSubmitting);
  EXPECT_EQ(started->execution.id, e);
  EXPECT_EQ(started->execution.owner_epoch, lease.epoch);
  EXPECT_EQ(started->execution.client_id, "ry-1-1");
  EXPECT_TRUE(started->execution.submitted_at);
  EXPECT_EQ(started->workflow, sent.workflow);
  EXPECT_TRUE(same_json(started->parameters_json, sent.parameters_json));
  EXPECT_EQ(started->job_uid, sent.uid);
  EXPECT_EQ(execution(e).state, ExecutionState::kSubmitting);
  EXPECT_FALSE(must(executions().start(e, instance, lease.epoch, "ry-1-1"))) << "a second start is no start";

  const auto loaded = must(executions().load(e));
  EXPECT_EQ(loaded.workflow, sent.workflow);
  EXPECT_EQ(loaded.execution.state, ExecutionState::kSubmitting);
  EXPECT_EQ(loaded.job_uid, sent.uid);
  EXPECT_TRUE(absl::IsNotFound(await(executions().load(ports::ExecutionId{e.value + 1000})).status()));
  EXPECT_TRUE(absl::IsNotFound(await(executions().read(ports::ExecutionId{e.value + 1000})).status()));
}

TEST_P(StoreSuite, StartNeedsTheLeaseOfThisInstance) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::InstanceId other = add_instance("gpu-2");
  const ports::Lease other_lease = acquire(other);
  const ports::ExecutionId e = claim(submit(), instance);
  EXPECT_FALSE(must(executions().start(e, instance, ports::Epoch{lease.epoch.value + 1}, "c")));
  EXPECT_FALSE(must(executions().start(e, other, other_lease.epoch, "c"))) << "the execution is of another instance";
  EXPECT_FALSE(must(executions().start(ports::ExecutionId{e.value + 1000}, instance, lease.epoch, "c")));
  EXPECT_EQ(execution(e).state, ExecutionState::kAssigned);
  EXPECT_TRUE(start(e, lease));
}

TEST_P(StoreSuite, StartAfterATakeoverFails) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease old_lease = connect(instance, "bridge-1");
  const ports::ExecutionId e = claim(submit(), instance);
  world().expire_lease(instance);
  const ports::Lease new_lease = acquire(instance, "bridge-2");
  EXPECT_FALSE(start(e, old_lease));
  EXPECT_TRUE(start(e, new_lease));
  EXPECT_EQ(execution(e).owner_epoch, new_lease.epoch);
}

TEST_P(StoreSuite, AWishedExecutionIsNotStarted) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(await(jobs().request_cancel(id, user())).ok());
  EXPECT_FALSE(start(e, lease));
  EXPECT_EQ(execution(e).state, ExecutionState::kAssigned);
}

TEST_P(StoreSuite, AdvanceIsFencedByEpochAndState) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::ExecutionId e = claim(submit(), instance);
  ASSERT_TRUE(start(e, lease));
  const ports::Epoch wrong{lease.epoch.value + 1};
  EXPECT_FALSE(must(executions().advance(step_of(e, wrong, ExecutionState::kSubmitting, ExecutionState::kQueued))));
  EXPECT_FALSE(must(executions().advance(step_of(e, lease.epoch, ExecutionState::kQueued, ExecutionState::kRunning))));
  EXPECT_EQ(execution(e).state, ExecutionState::kSubmitting);
  const auto step = step_of(e, lease.epoch, ExecutionState::kSubmitting, ExecutionState::kQueued);
  const auto advanced = must(executions().advance(step));
  ASSERT_TRUE(advanced);
  EXPECT_FALSE(advanced->cancel_requested);
  EXPECT_FALSE(must(executions().advance(step))) << "a repeat finds another state";
  const ports::ExecutionId absent{e.value + 1000};
  EXPECT_FALSE(
      must(executions().advance(step_of(absent, lease.epoch, ExecutionState::kQueued, ExecutionState::kRunning))));
}

TEST_P(StoreSuite, IllegalEdgesAreRefused) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::ExecutionId e = claim(submit(), instance);
  ASSERT_TRUE(start(e, lease));
  advance(e, lease, ExecutionState::kRunning);
  const std::vector<std::pair<ExecutionState, ExecutionState>> illegal = {
      {ExecutionState::kRunning, ExecutionState::kQueued},
      {ExecutionState::kRunning, ExecutionState::kNotAccepted},
      {ExecutionState::kRunning, ExecutionState::kWithdrawn},
      {ExecutionState::kRunning, ExecutionState::kCompleted},
      {ExecutionState::kRunning, ExecutionState::kRunning}};
  for (const auto& [from, to] : illegal) {
    const auto answer = await(executions().advance(step_of(e, lease.epoch, from, to)));
    EXPECT_FALSE(answer.ok()) << "to " << domain::to_string(to);
    EXPECT_EQ(execution(e).state, ExecutionState::kRunning);
  }
}

TEST_P(StoreSuite, AdvanceStampsAndKeepsWhatItIsGiven) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::ExecutionId e = claim(submit(), instance);
  ASSERT_TRUE(start(e, lease));
  auto queued = step_of(e, lease.epoch, ExecutionState::kSubmitting, ExecutionState::kQueued);
  queued.comfyui_prompt_id = "prompt-1";
  queued.outcome_proof = "answered_200";
  ASSERT_TRUE(must(executions().advance(queued)));
  ports::ExecutionRow row = execution(e);
  EXPECT_EQ(row.comfyui_prompt_id, "prompt-1");
  EXPECT_EQ(row.outcome_proof, "answered_200");
  EXPECT_TRUE(row.accepted_at);
  EXPECT_FALSE(row.started_at || row.ended_at || row.completed_at);
  advance(e, lease, ExecutionState::kRunning);
  row = execution(e);
  EXPECT_TRUE(row.started_at);
  EXPECT_FALSE(row.ended_at || row.completed_at);
  EXPECT_EQ(row.comfyui_prompt_id, "prompt-1") << "kept";
  const auto accepted_at = row.accepted_at;
  const auto started_at = row.started_at;
  auto failed = step_of(e, lease.epoch, ExecutionState::kRunning, ExecutionState::kFailed);
  failed.heard_end = "error";
  failed.heard_outputs = R"({"9":{}})";
  ports::JobError error;
  error.code = "node_error";
  error.message = "out of memory";
  error.node_id = "5";
  error.node_class = "KSampler";
  failed.error = error;
  ASSERT_TRUE(must(executions().advance(failed)));
  row = execution(e);
  EXPECT_EQ(row.accepted_at, accepted_at);
  EXPECT_EQ(row.started_at, started_at);
  EXPECT_TRUE(row.ended_at && row.completed_at);
  EXPECT_EQ(row.heard_end, "error");
  EXPECT_TRUE(same_json(row.heard_outputs.value_or(""), R"({"9":{}})"));
  ASSERT_TRUE(row.error);
  EXPECT_EQ(row.error->code, "node_error");
  EXPECT_EQ(row.error->message, "out of memory");
  EXPECT_EQ(row.error->node_id, "5");
  EXPECT_EQ(row.error->node_class, "KSampler");
}

TEST_P(StoreSuite, AnEndMaySayThatItHadStarted) {
  const ports::InstanceId instance = add_instance("gpu-1", 2);
  const ports::Lease lease = connect(instance);
  const ports::ExecutionId started = claim(submit(), instance, 0);
  ASSERT_TRUE(start(started, lease));
  auto step = step_of(started, lease.epoch, ExecutionState::kSubmitting, ExecutionState::kFailed);
  step.started = true;
  ASSERT_TRUE(must(executions().advance(step)));
  EXPECT_TRUE(execution(started).started_at);
  const ports::ExecutionId refused = claim(submit(), instance, 1);
  ASSERT_TRUE(start(refused, lease));
  end(refused, lease, ExecutionState::kFailed);
  EXPECT_FALSE(execution(refused).started_at);
}

TEST_P(StoreSuite, LeavingTheServerFreesTheSlot) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  for (const ExecutionState last : {ExecutionState::kNotAccepted, ExecutionState::kCollecting, ExecutionState::kFailed,
                                    ExecutionState::kCancelled, ExecutionState::kLost}) {
    const ports::ExecutionId e = claim(submit(), instance);
    EXPECT_THAT(free_slots(), IsEmpty()) << "assigned";
    ASSERT_TRUE(start(e, lease));
    EXPECT_THAT(free_slots(), IsEmpty()) << "submitting";
    if (last != ExecutionState::kNotAccepted) {
      advance(e, lease, ExecutionState::kQueued);
      EXPECT_THAT(free_slots(), IsEmpty()) << "queued";
      advance(e, lease, ExecutionState::kRunning);
      EXPECT_THAT(free_slots(), IsEmpty()) << "running";
    }
    advance(e, lease, last);
    EXPECT_EQ(free_slots().size(), 1u) << domain::to_string(last);
  }
}

TEST_P(StoreSuite, AnEndedExecutionDoesNotFreeTheSlotOfItsSuccessor) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::ExecutionId first = claim(submit(), instance);
  ASSERT_TRUE(start(first, lease));
  advance(first, lease, ExecutionState::kCollecting);
  claim(submit(), instance);
  ASSERT_TRUE(complete(first, lease));
  EXPECT_THAT(free_slots(), IsEmpty());
}

TEST_P(StoreSuite, CompletedAtOnceFreesTheSlot) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  for (const ExecutionState from : {ExecutionState::kQueued, ExecutionState::kRunning}) {
    const ports::ExecutionId e = claim(submit(), instance);
    ASSERT_TRUE(start(e, lease));
    advance(e, lease, from);
    EXPECT_THAT(free_slots(), IsEmpty());
    ASSERT_TRUE(complete(e, lease));
    EXPECT_EQ(free_slots().size(), 1u);
    EXPECT_EQ(execution(e).state, ExecutionState::kCompleted);
    EXPECT_EQ(execution(e).heard_end, "success");
    EXPECT_TRUE(execution(e).accepted_at && execution(e).started_at && execution(e).ended_at);
    const ports::ExecutionId successor = claim(submit(), instance);
    ASSERT_TRUE(complete(e, lease)) << "a repeat";
    EXPECT_THAT(free_slots(), IsEmpty()) << "the slot is its successor's";
    ASSERT_TRUE(must(dispatch().withdraw(successor, "test")));
  }
}

TEST_P(StoreSuite, CompleteStoresOutputsOnce) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  EXPECT_FALSE(must(executions().complete(e, lease.epoch, {}, "{}"))) << "submitting";
  advance(e, lease, ExecutionState::kCollecting);
  EXPECT_THAT(must(jobs().outputs(id)), IsEmpty());
  EXPECT_FALSE(must(executions().complete(e, ports::Epoch{lease.epoch.value + 1}, {}, "{}"))) << "not ours";
  std::vector<ports::OutputRow> outputs(2);
  for (int n = 0; n < 2; ++n) {
    outputs[n].n = n;
    outputs[n].node_id = "9";
    outputs[n].kind = "images";
    outputs[n].filename = "x_" + std::to_string(n) + ".png";
    outputs[n].content_type = "image/png";
    outputs[n].size_bytes = 10 + n;
    outputs[n].sha256 = std::string(64, 'a');  // two files of one content
  }
  EXPECT_TRUE(must(executions().complete(e, lease.epoch, outputs, R"({"done":true})")));
  EXPECT_EQ(execution(e).state, ExecutionState::kCompleted);
  EXPECT_TRUE(execution(e).completed_at);
  EXPECT_TRUE(await(executions().complete(e, lease.epoch, outputs, R"({"done":true})")).ok()) << "a repeat is harmless";
  const auto stored = must(jobs().outputs(id));
  ASSERT_EQ(stored.size(), 2u);
  EXPECT_EQ(stored[1].job_id, id);
  EXPECT_EQ(stored[1].execution_id, e);
  EXPECT_EQ(stored[1].n, 1);
  EXPECT_EQ(stored[1].node_id, "9");
  EXPECT_EQ(stored[1].kind, "images");
  EXPECT_EQ(stored[1].filename, "x_1.png");
  EXPECT_EQ(stored[1].content_type, "image/png");
  EXPECT_EQ(stored[1].size_bytes, 11);
  EXPECT_EQ(stored[1].sha256, std::string(64, 'a'));
}

TEST_P(StoreSuite, AResultThatCannotBeStoredChangesNothing) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  advance(e, lease, ExecutionState::kCollecting);
  for (const char* result : {R"({"a":NaN})", R"({"a":"\u0000"})", "{", "\xff"}) {
    const auto answer = await(executions().complete(e, lease.epoch, {}, result));
    EXPECT_TRUE(absl::IsInvalidArgument(answer.status())) << result << ": " << answer.status();
  }
  std::vector<ports::OutputRow> outputs(1);
  outputs[0].node_id = "9";
  outputs[0].kind = "images";
  outputs[0].filename = std::string("a\0b", 3);
  outputs[0].content_type = "image/png";
  outputs[0].sha256 = std::string(64, 'a');
  EXPECT_TRUE(absl::IsInvalidArgument(await(executions().complete(e, lease.epoch, outputs, "{}")).status()));
  EXPECT_EQ(execution(e).state, ExecutionState::kCollecting);
  EXPECT_THAT(must(jobs().outputs(id)), IsEmpty());
  ports::Advance failed = step_of(e, lease.epoch, ExecutionState::kCollecting, ExecutionState::kFailed);
  failed.heard_outputs = R"({"a":NaN})";
  EXPECT_TRUE(absl::IsInvalidArgument(await(executions().advance(failed)).status()));
  EXPECT_EQ(execution(e).state, ExecutionState::kCollecting);
}

TEST_P(StoreSuite, OnePromptIsOneExecution) {
  const ports::InstanceId instance = add_instance("gpu-1", 2);
  const ports::Lease lease = connect(instance);
  const ports::ExecutionId first = claim(submit(), instance, 0);
  const ports::ExecutionId second = claim(submit(), instance, 1);
  ASSERT_TRUE(start(first, lease) && start(second, lease));
  auto step = step_of(first, lease.epoch, ExecutionState::kSubmitting, ExecutionState::kQueued);
  step.comfyui_prompt_id = "prompt-1";
  ASSERT_TRUE(must(executions().advance(step)));
  step.id = second;
  EXPECT_FALSE(await(executions().advance(step)).ok());
  EXPECT_EQ(execution(second).state, ExecutionState::kSubmitting);
}

TEST_P(StoreSuite, ProgressNeverGoesBack) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId e = claim(id, instance);
  ASSERT_TRUE(start(e, lease));
  advance(e, lease, ExecutionState::kRunning);
  ASSERT_TRUE(settle(settlement(ports::Settlement::Kind::kStart, id, e)));
  const auto write = [&](int percent, const std::string& node, ports::Epoch epoch) {
    ports::ProgressWrite progress;
    progress.id = e;
    progress.epoch = epoch;
    progress.percent = percent;
    progress.current_node = node;
    std::vector<ports::ProgressWrite> writes{progress};
    return await(executions().record_progress(writes));
  };
  ASSERT_TRUE(write(58, "5", lease.epoch).ok());
  EXPECT_EQ(execution(e).progress_percent, 58);
  EXPECT_EQ(execution(e).current_node, "5");
  ASSERT_TRUE(write(40, "6", lease.epoch).ok());
  EXPECT_EQ(execution(e).progress_percent, 58);
  EXPECT_EQ(execution(e).current_node, "6");
  ASSERT_TRUE(write(99, "7", ports::Epoch{lease.epoch.value + 1}).ok());
  EXPECT_EQ(execution(e).progress_percent, 58) << "not ours";
  EXPECT_EQ(job(id).progress_percent, 58) << "the job shows it";
  ASSERT_TRUE(await(executions().record_progress({})).ok());
  end(e, lease, ExecutionState::kLost);
  ASSERT_TRUE(write(80, "8", lease.epoch).ok());
  EXPECT_EQ(execution(e).progress_percent, 58) << "it has ended";
}

TEST_P(StoreSuite, WhatWasHeardIsKeptAndFenced) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::ExecutionId e = claim(submit(), instance);
  ASSERT_TRUE(start(e, lease));
  EXPECT_FALSE(execution(e).heard_whole);
  const auto hear = [&](std::int64_t epoch, std::optional<std::string> end, std::optional<std::string> outputs,
                        bool whole) {
    ports::HeardWrite heard{std::move(end), std::move(outputs), std::nullopt, whole};
    return await(executions().record_heard(e, ports::Epoch{epoch}, std::move(heard)));
  };
  ASSERT_TRUE(hear(lease.epoch.value, std::nullopt, R"({"9":{"images":[]}})", false).ok());
  ASSERT_TRUE(hear(lease.epoch.value, "success", std::nullopt, true).ok());
  ASSERT_TRUE(hear(lease.epoch.value + 1, "error", std::nullopt, false).ok());
  const ports::ExecutionRow row = execution(e);
  EXPECT_EQ(row.heard_end, "success");
  EXPECT_TRUE(same_json(row.heard_outputs.value_or(""), R"({"9":{"images":[]}})"));
  EXPECT_TRUE(row.heard_whole);
  EXPECT_EQ(row.state, ExecutionState::kSubmitting);
  EXPECT_FALSE(row.error);
  ports::HeardWrite failure{"error", std::nullopt, ports::JobError{"node_error", "no memory", "5", "KSampler"}, false};
  ASSERT_TRUE(await(executions().record_heard(e, lease.epoch, failure)).ok());
  ports::HeardWrite again{"error", "{}", std::nullopt, true};
  ASSERT_TRUE(await(executions().record_heard(e, lease.epoch, again)).ok());
  ASSERT_TRUE(execution(e).error) << "kept";
  EXPECT_EQ(execution(e).error->code, "node_error");
  EXPECT_EQ(execution(e).error->message, "no memory");
  EXPECT_EQ(execution(e).error->node_id, "5");
  EXPECT_EQ(execution(e).error->node_class, "KSampler");
  auto queued = step_of(e, lease.epoch, ExecutionState::kSubmitting, ExecutionState::kQueued);
  ASSERT_TRUE(must(executions().advance(queued)));
  EXPECT_TRUE(execution(e).heard_whole) << "kept";
  auto running = step_of(e, lease.epoch, ExecutionState::kQueued, ExecutionState::kRunning);
  running.heard_whole = false;
  running.prompt_ended_at = absl::FromUnixMillis(1795221880299);
  ASSERT_TRUE(must(executions().advance(running)));
  EXPECT_FALSE(execution(e).heard_whole);
  EXPECT_EQ(execution(e).prompt_ended_at, running.prompt_ended_at);
  ports::HeardWrite ended;
  ended.prompt_ended_at = absl::FromUnixMillis(7);
  ASSERT_TRUE(await(executions().record_heard(e, lease.epoch, ended)).ok());
  EXPECT_EQ(execution(e).prompt_ended_at, ended.prompt_ended_at);
  ASSERT_TRUE(await(executions().record_heard(e, lease.epoch, {})).ok());
  EXPECT_EQ(execution(e).prompt_ended_at, ended.prompt_ended_at) << "kept";
}

TEST_P(StoreSuite, NewsAreWhatTheHolderOfTheLeasesDoesNotKnow) {
  const ports::InstanceId instance = add_instance("gpu-1", 3);
  const ports::Lease lease = connect(instance);
  const ports::InstanceId other = add_instance("gpu-2");
  const ports::ExecutionId collecting = claim(submit(), instance, 0);
  const ports::ExecutionId ended = claim(submit(), instance, 1);
  const ports::JobId waiting = submit();
  const ports::ExecutionId assigned = claim(waiting, instance, 2);
  connect(other, "bridge-2");
  const ports::ExecutionId elsewhere = claim(submit(), other);
  ASSERT_TRUE(start(collecting, lease) && start(ended, lease));
  advance(collecting, lease, ExecutionState::kCollecting);
  end(ended, lease, ExecutionState::kLost);
  const auto news = [this](const std::string& owner, std::vector<ports::ExecutionId> known) {
    std::vector<ports::ExecutionId> ids;
    for (const auto& row : must(executions().news(owner, std::move(known)))) ids.push_back(row.id);
    return ids;
  };
  EXPECT_THAT(news("bridge-1", {}), ElementsAre(collecting, assigned));
  EXPECT_THAT(news("bridge-1", {collecting}), ElementsAre(assigned));
  EXPECT_THAT(news("bridge-1", {collecting, assigned}), IsEmpty());
  EXPECT_THAT(news("bridge-2", {}), ElementsAre(elsewhere));
  EXPECT_THAT(news("bridge-3", {}), IsEmpty());
  ASSERT_TRUE(await(jobs().request_cancel(waiting, user())).ok());
  EXPECT_THAT(news("bridge-1", {collecting, assigned}), ElementsAre(assigned));
  world().expire_lease(instance);
  EXPECT_THAT(news("bridge-1", {assigned}), ElementsAre(collecting, assigned));
}

}  // namespace
}  // namespace renderyard::conformance
