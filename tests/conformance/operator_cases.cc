// What operators do by hand: notes, executions that are given up, slots that are freed; and that nobody who drives an
// execution at the same moment moves it too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"
#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using domain::OperatorAction;
using ports::ExecutionState;
using ports::JobStatus;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = ports::Settlement::Kind;

const ports::Operator kAnna{"anna", "the GPU was replaced"};
const ports::Operator kBert{"bert", "looked at the server's log"};

TEST_P(StoreSuite, ANoteSaysWhatReallyHappenedAndTheLastOneCounts) {
  const Running run = running();
  const ports::JobId id = execution(run.execution).job_id;
  end(run.execution, run.lease, ExecutionState::kLost);
  ports::Settlement fail = settlement(Kind::kFail, id, run.execution);
  fail.error.code = "submission_unclear";
  ASSERT_TRUE(settle(fail));
  EXPECT_FALSE(job(id).operator_note);

  ASSERT_FALSE(must(operators().note(id, false, kAnna)).ran);
  const ports::OperatorNote last = must(operators().note(id, true, kBert));
  const ports::JobRow row = job(id);
  ASSERT_TRUE(row.operator_note);
  EXPECT_TRUE(row.operator_note->ran);
  EXPECT_EQ(row.operator_note->who, "bert");
  EXPECT_EQ(row.operator_note->why, "looked at the server's log");
  EXPECT_EQ(row.operator_note->at, last.at);
  EXPECT_EQ(row.status, JobStatus::kFailed);
  EXPECT_EQ(row.error->code, "submission_unclear");
  ports::JobListQuery everything;
  for (const auto& listed : must(jobs().list(everything))) EXPECT_FALSE(listed.operator_note) << "lists are without";

  const auto actions = must(operators().actions(id, 10));
  ASSERT_THAT(actions, SizeIs(2)) << "both are recorded";
  EXPECT_EQ(actions[0].who, "bert");
  EXPECT_TRUE(same_json(actions[0].data_json, R"({"ran":true})"));
  EXPECT_EQ(actions[1].who, "anna");
  EXPECT_EQ(actions[1].why, kAnna.why);
  EXPECT_EQ(actions[1].action, OperatorAction::kNote);
  EXPECT_EQ(actions[1].job_id, id);
  EXPECT_TRUE(same_json(actions[1].data_json, R"({"ran":false})"));
  EXPECT_LT(actions[1].at, actions[0].at);
}

TEST_P(StoreSuite, OnlyAJobThatFailedAsUnclearTakesANote) {
  const Running run = running();
  const ports::JobId id = execution(run.execution).job_id;
  const auto live = await(operators().note(id, true, kAnna));
  EXPECT_TRUE(absl::IsFailedPrecondition(live.status())) << live.status();
  end(run.execution, run.lease, ExecutionState::kFailed);
  ASSERT_TRUE(settle(settlement(Kind::kFail, id, run.execution)));
  const auto failed = await(operators().note(id, true, kAnna));
  EXPECT_TRUE(absl::IsFailedPrecondition(failed.status()));
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("node_error"));
  const ports::JobId unknown{id.value + 1000};
  EXPECT_TRUE(absl::IsNotFound(await(operators().note(unknown, true, kAnna)).status()));
  EXPECT_FALSE(job(id).operator_note);
  EXPECT_THAT(must(operators().actions({}, 10)), IsEmpty()) << "what is refused leaves nothing";
}

TEST_P(StoreSuite, AnExecutionThatIsGivenUpEndsAndFreesItsSlotAndItsBridgeLosesTheFence) {
  const Running run = running();
  const ports::JobId id = execution(run.execution).job_id;
  EXPECT_THAT(free_slots(), IsEmpty());
  const ports::GivenUp done = must(operators().give_up(id, kAnna));
  EXPECT_EQ(done.execution_id, run.execution);
  EXPECT_EQ(done.instance_id, run.instance);
  EXPECT_EQ(done.was, ExecutionState::kRunning);
  EXPECT_TRUE(done.prompt_may_run);
  EXPECT_THAT(free_slots(), SizeIs(1));
  const ports::ExecutionRow row = execution(run.execution);
  EXPECT_EQ(row.state, ExecutionState::kFailed);
  EXPECT_TRUE(row.ended_at && row.completed_at && row.given_up_at && !row.settled_at && !row.stray_seen_at);
  ASSERT_TRUE(row.error);
  EXPECT_EQ(row.error->code, "given_up_by_operator");
  EXPECT_THAT(row.error->message, HasSubstr(kAnna.why));

  ports::Advance late;
  late.id = run.execution;
  late.epoch = run.lease.epoch;
  late.from = {ExecutionState::kRunning};
  late.to = ExecutionState::kCollecting;
  EXPECT_FALSE(must(executions().advance(late)).has_value()) << "its bridge finds the state gone";
  EXPECT_FALSE(complete(run.execution, run.lease));
  const auto again = await(operators().give_up(id, kBert));
  EXPECT_TRUE(absl::IsFailedPrecondition(again.status())) << again.status();

  ASSERT_THAT(unsettled(), SizeIs(1));
  EXPECT_EQ(unsettled()[0].execution.error->code, "given_up_by_operator");
  ports::Settlement fail = settlement(Kind::kFail, id, run.execution);
  fail.error = *row.error;
  ASSERT_TRUE(settle(fail));
  EXPECT_EQ(job(id).status, JobStatus::kFailed);
  EXPECT_EQ(job(id).error->code, "given_up_by_operator");
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "started", "failed"));
  const auto actions = must(operators().actions(id, 10));
  ASSERT_THAT(actions, SizeIs(1));
  EXPECT_EQ(actions[0].action, OperatorAction::kGiveUp);
  EXPECT_EQ(actions[0].execution_id, run.execution);
  EXPECT_EQ(actions[0].instance_id, run.instance);
  EXPECT_EQ(actions[0].slot_no, 0);
  EXPECT_TRUE(same_json(actions[0].data_json, R"({"was":"running"})"));
}

TEST_P(StoreSuite, AnAssignedExecutionThatIsGivenUpIsWithdrawnAndItsJobFails) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId given_up = claim(id, instance);
  const ports::GivenUp done = must(operators().give_up(id, kAnna));
  EXPECT_EQ(done.was, ExecutionState::kAssigned);
  EXPECT_FALSE(done.prompt_may_run);
  EXPECT_EQ(execution(given_up).state, ExecutionState::kWithdrawn);
  EXPECT_FALSE(execution(given_up).given_up_at) << "nothing was sent";
  EXPECT_FALSE(start(given_up, lease)) << "nor will be";
  EXPECT_FALSE(must(dispatch().withdraw(given_up, "stale")));
  EXPECT_THAT(free_slots(), SizeIs(1));
  EXPECT_THAT(must(dispatch().candidates(10)), IsEmpty()) << "the job does not wait again";
  ASSERT_THAT(unsettled(), SizeIs(1));
  ASSERT_TRUE(settle(settlement(Kind::kFail, id, given_up)));
  EXPECT_EQ(job(id).status, JobStatus::kFailed);
  EXPECT_FALSE(job(id).started_at);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "failed"));
}

TEST_P(StoreSuite, WhatIsBeingCollectedCanBeGivenUpAndLeavesNoStray) {
  const Running run = running();
  advance(run.execution, run.lease, ExecutionState::kCollecting);
  const ports::GivenUp done = must(operators().give_up(execution(run.execution).job_id, kAnna));
  EXPECT_FALSE(done.prompt_may_run);
  EXPECT_FALSE(execution(run.execution).given_up_at);
  EXPECT_EQ(execution(run.execution).state, ExecutionState::kFailed);
  EXPECT_FALSE(complete(run.execution, run.lease));
  EXPECT_THAT(must(executions().news("bridge-1", {})), IsEmpty());
}

TEST_P(StoreSuite, AJobWithoutALiveExecutionHasNothingToGiveUp) {
  const ports::JobId waiting = submit();
  const auto refused = await(operators().give_up(waiting, kAnna));
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("cancel the job"));
  const Running run = running();
  const ports::JobId id = execution(run.execution).job_id;
  ASSERT_TRUE(complete(run.execution, run.lease));
  EXPECT_TRUE(absl::IsFailedPrecondition(await(operators().give_up(id, kAnna)).status()));
  ASSERT_TRUE(settle(settlement(Kind::kComplete, id, run.execution)));
  EXPECT_TRUE(absl::IsFailedPrecondition(await(operators().give_up(id, kAnna)).status()));
  EXPECT_EQ(job(id).status, JobStatus::kCompleted);
  const ports::JobId unknown{id.value + 1000};
  EXPECT_TRUE(absl::IsNotFound(await(operators().give_up(unknown, kAnna)).status()));
  EXPECT_THAT(must(operators().actions({}, 10)), IsEmpty());
}

TEST_P(StoreSuite, TheBridgeHearsOfPromptsThatWereGivenUpUntilItHasRecordedWhatBecameOfThem) {
  const Running run = running();
  ASSERT_TRUE(must(operators().give_up(execution(run.execution).job_id, kAnna)).prompt_may_run);
  const auto told = must(executions().news("bridge-1", {run.execution}));
  ASSERT_THAT(told, SizeIs(1)) << "also what it knows";
  EXPECT_EQ(told[0].id, run.execution);
  EXPECT_TRUE(told[0].given_up_at);
  // Whoever has the lease next is told too.
  world().expire_lease(run.instance);
  const ports::Lease next = acquire(run.instance, "bridge-2");
  EXPECT_THAT(must(executions().news("bridge-1", {})), IsEmpty());
  EXPECT_THAT(must(executions().news("bridge-2", {})), SizeIs(1));

  EXPECT_FALSE(must(executions().record_stray(run.execution, run.instance, run.lease.epoch, "vanished")));
  EXPECT_TRUE(must(executions().record_stray(run.execution, run.instance, next.epoch, "interrupted")));
  EXPECT_FALSE(must(executions().record_stray(run.execution, run.instance, next.epoch, "vanished"))) << "once";
  EXPECT_EQ(execution(run.execution).stray_outcome, "interrupted");
  EXPECT_TRUE(execution(run.execution).stray_seen_at);
  EXPECT_THAT(must(executions().news("bridge-2", {})), IsEmpty());
}

TEST_P(StoreSuite, ASlotIsFreedByHandOnlyWhenItsExecutionHasEnded) {
  const Running run = running(2);
  const auto refused = await(operators().free_slot("gpu-1", 0, kAnna));
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("give up"));
  EXPECT_THAT(free_slots(), SizeIs(1));
  EXPECT_TRUE(absl::IsNotFound(await(operators().free_slot("gpu-1", 7, kAnna)).status()));
  EXPECT_TRUE(absl::IsNotFound(await(operators().free_slot("gpu-9", 0, kAnna)).status()));
  EXPECT_THAT(must(operators().actions({}, 10)), IsEmpty());

  ASSERT_TRUE(complete(run.execution, run.lease));
  world().occupy_slot(run.instance, 0, run.execution);
  EXPECT_THAT(free_slots(), SizeIs(1)) << "held by what has ended";
  const ports::FreedSlot freed = must(operators().free_slot("gpu-1", 0, kAnna));
  EXPECT_EQ(freed.held_by, run.execution);
  EXPECT_EQ(freed.instance_id, run.instance);
  EXPECT_THAT(free_slots(), SizeIs(2));
  EXPECT_FALSE(must(operators().free_slot("gpu-1", 0, kAnna)).held_by) << "may be repeated";
  const auto actions = must(operators().actions({}, 10));
  ASSERT_THAT(actions, SizeIs(2));
  EXPECT_EQ(actions[1].action, OperatorAction::kFreeSlot);
  EXPECT_EQ(actions[1].execution_id, run.execution);
  EXPECT_EQ(actions[1].slot_no, 0);
  EXPECT_FALSE(actions[1].job_id);
  EXPECT_THAT(must(operators().actions({}, 1)), SizeIs(1));
}

TEST_P(StoreSuite, AReasonThatTheDatabaseRefusesLeavesEverythingAsItWas) {
  const Running run = running();
  const ports::Operator bad{"anna", std::string("a\0b", 3)};
  EXPECT_TRUE(absl::IsInvalidArgument(await(operators().give_up(execution(run.execution).job_id, bad)).status()));
  EXPECT_EQ(execution(run.execution).state, ExecutionState::kRunning);
  EXPECT_THAT(free_slots(), IsEmpty());
}

struct Duel {
  StoreWorld& world;
  ports::JobId job;
  StoreSuite::Running run;
  bool bridge_won = false;
  bool operator_won = false;
};

base::Task<absl::Status> bridge_ends_it(Duel& duel) {
  ports::Advance step;
  step.id = duel.run.execution;
  step.epoch = duel.run.lease.epoch;
  step.from = {ExecutionState::kRunning};
  step.to = ExecutionState::kFailed;
  step.error = ports::JobError{"node_error", "it broke", {}, {}};
  ASSIGN_OR_CO_RETURN(const auto moved, co_await duel.world.client(3).executions.advance(std::move(step)));
  duel.bridge_won = moved.has_value();
  co_return absl::OkStatus();
}

base::Task<absl::Status> operator_ends_it(Duel& duel) {
  ports::Operator by = kAnna;
  const auto given_up = co_await duel.world.client(4).operators.give_up(duel.job, std::move(by));
  if (!given_up.ok() && !absl::IsFailedPrecondition(given_up.status())) co_return given_up.status();
  duel.operator_won = given_up.ok();
  co_return absl::OkStatus();
}

base::Task<absl::Status> both_at_once(Duel& duel, bool operator_first) {
  base::Group group(duel.world.strand());
  if (operator_first) group.spawn(operator_ends_it(duel));
  group.spawn(bridge_ends_it(duel));
  if (!operator_first) group.spawn(operator_ends_it(duel));
  co_return co_await group.join();
}

TEST_P(StoreSuite, OfAnOperatorAndItsBridgeExactlyOneEndsTheExecution) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  int by_bridge = 0;
  int by_operator = 0;
  constexpr int kRounds = 60;
  for (int round = 0; round < kRounds; ++round) {
    const ports::JobId id = submit();
    const ports::ExecutionId fought_over = claim(id, instance);
    ASSERT_TRUE(start(fought_over, lease));
    advance(fought_over, lease, ExecutionState::kRunning);
    Duel duel{world(), id, {instance, lease, fought_over}};
    const absl::Status status = await(both_at_once(duel, round % 2 == 0));
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_NE(duel.bridge_won, duel.operator_won) << "round " << round;
    const ports::ExecutionRow row = execution(fought_over);
    EXPECT_EQ(row.error->code, duel.operator_won ? "given_up_by_operator" : "node_error");
    EXPECT_EQ(row.given_up_at.has_value(), duel.operator_won);
    EXPECT_EQ(must(operators().actions(id, 10)).size(), duel.operator_won ? 1u : 0u);
    EXPECT_THAT(free_slots(), SizeIs(1));
    ports::Settlement fail = settlement(Kind::kFail, id, fought_over);
    fail.error = *row.error;
    ASSERT_TRUE(settle(fail));
    (duel.operator_won ? by_operator : by_bridge) += 1;
  }
  EXPECT_EQ(by_bridge + by_operator, kRounds);
}

}  // namespace
}  // namespace renderyard::conformance
