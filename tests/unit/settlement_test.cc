// What an execution's news mean for its job, over every state, and the rules around requeueing.
#include "libs/common/domain/settlement.h"

#include <gtest/gtest.h>

#include "libs/common/domain/error_code.h"
#include "libs/common/domain/machines.h"

namespace renderyard::domain {
namespace {

using Kind = SettleDecision::Kind;

ExecutionNews news_of(ExecutionState state, JobStatus job = JobStatus::kPending) {
  ExecutionNews news;
  news.state = state;
  news.job_status = job;
  return news;
}

JobStatus target_of(Kind kind) {
  switch (kind) {
    case Kind::kComplete:
      return JobStatus::kCompleted;
    case Kind::kFail:
      return JobStatus::kFailed;
    case Kind::kCancel:
      return JobStatus::kCancelled;
    default:
      return JobStatus::kRunning;
  }
}

TEST(SettlementTest, AFinalJobIsNeverMovedWhateverItsExecutionSays) {
  for (const ExecutionState state : kExecutionStates) {
    for (const JobStatus job : {JobStatus::kCompleted, JobStatus::kFailed, JobStatus::kCancelled}) {
      EXPECT_EQ(settle(news_of(state, job)).kind, Kind::kNothing) << to_string(state) << " " << to_string(job);
    }
  }
}

TEST(SettlementTest, AnExecutionThatAnOperatorGaveUpFailsItsJobInEveryState) {
  for (const ExecutionState state : {ExecutionState::kWithdrawn, ExecutionState::kFailed}) {
    for (const JobStatus job : {JobStatus::kPending, JobStatus::kRunning}) {
      ExecutionNews news = news_of(state, job);
      news.error_code = code::kGivenUpByOperator;
      news.error_message = "why";
      news.job_wants_cancel = true;
      const SettleDecision decision = settle(news);
      EXPECT_EQ(decision.kind, Kind::kFail) << to_string(state);
      EXPECT_EQ(decision.error_code, "given_up_by_operator");
      EXPECT_EQ(decision.error_message, "why");
    }
  }
  EXPECT_EQ(settle(news_of(ExecutionState::kWithdrawn)).kind, Kind::kNothing) << "the dispatcher's own withdrawal";
}

TEST(SettlementTest, AWishToCancelEndsAsItsJobWill) {
  using End = CancelResult::Kind;
  EXPECT_EQ(cancel_result(JobStatus::kCancelled, {}, {}, nullptr).kind, End::kCancelled);
  EXPECT_EQ(cancel_result(JobStatus::kCompleted, {}, {}, nullptr).kind, End::kCompleted);
  const CancelResult failed = cancel_result(JobStatus::kFailed, "node_error", "it broke", nullptr);
  EXPECT_EQ(failed.kind, End::kFailed);
  EXPECT_EQ(failed.error_code, "node_error");
  EXPECT_EQ(failed.error_message, "it broke");
  EXPECT_EQ(cancel_result(JobStatus::kPending, {}, {}, nullptr).kind, End::kPending) << "nothing was claimed yet";
  for (const ExecutionState state : kExecutionStates) {
    const ExecutionNews news = news_of(state, JobStatus::kRunning);
    const CancelResult result = cancel_result(JobStatus::kRunning, {}, {}, &news);
    const bool over = is_final(state) && state != ExecutionState::kWithdrawn;
    EXPECT_EQ(result.kind != End::kPending, over) << to_string(state);
    if (state == ExecutionState::kCancelled || state == ExecutionState::kNotAccepted) {
      EXPECT_EQ(result.kind, End::kCancelled) << to_string(state);
    }
    if (state == ExecutionState::kCompleted) EXPECT_EQ(result.kind, End::kCompleted);
    if (state == ExecutionState::kLost) EXPECT_EQ(result.error_code, "execution_lost");
  }
}

TEST(SettlementTest, EveryDecisionIsAnEdgeOfTheJobMachineForTheDispatcher) {
  for (const ExecutionState state : kExecutionStates) {
    for (const bool wish : {false, true}) {
      for (const JobStatus job : {JobStatus::kPending, JobStatus::kRunning}) {
        ExecutionNews news = news_of(state, job);
        news.job_wants_cancel = wish;
        const SettleDecision decision = settle(news);
        if (decision.kind == Kind::kNothing || decision.kind == Kind::kRequeue) continue;
        const JobStatus to = target_of(decision.kind);
        // A fast prompt settles from pending: started and ended in one step.
        const bool direct = allowed(job, to, Owner::kDispatcher);
        const bool through_running = job == JobStatus::kPending &&
                                     allowed(job, JobStatus::kRunning, Owner::kDispatcher) &&
                                     allowed(JobStatus::kRunning, to, Owner::kDispatcher);
        EXPECT_TRUE(direct || through_running) << to_string(state) << " " << to_string(job);
      }
    }
  }
}

TEST(SettlementTest, EveryFinalStateButWithdrawnMovesALiveJob) {
  for (const ExecutionState state : kExecutionStates) {
    if (!is_final(state) || state == ExecutionState::kWithdrawn) continue;
    EXPECT_NE(settle(news_of(state)).kind, Kind::kNothing) << to_string(state);
  }
}

TEST(SettlementTest, AStartIsToldOnce) {
  EXPECT_EQ(settle(news_of(ExecutionState::kRunning, JobStatus::kPending)).kind, Kind::kStart);
  EXPECT_EQ(settle(news_of(ExecutionState::kCollecting, JobStatus::kPending)).kind, Kind::kStart);
  EXPECT_EQ(settle(news_of(ExecutionState::kRunning, JobStatus::kRunning)).kind, Kind::kNothing);
}

TEST(SettlementTest, CancelledWithoutAWishIsSomebodyElsesDoing) {
  ExecutionNews news = news_of(ExecutionState::kCancelled, JobStatus::kRunning);
  EXPECT_EQ(settle(news).kind, Kind::kFail);
  EXPECT_EQ(settle(news).error_code, code::kInterruptedByOther);
  news.job_wants_cancel = true;
  EXPECT_EQ(settle(news).kind, Kind::kCancel);
}

TEST(SettlementTest, LostKeepsTheCodeTheBridgeGave) {
  ExecutionNews news = news_of(ExecutionState::kLost);
  EXPECT_EQ(settle(news).error_code, code::kExecutionLost);
  news.error_code = code::kSubmissionUnclear;
  EXPECT_EQ(settle(news).error_code, code::kSubmissionUnclear);
}

TEST(SettlementTest, RefusedConnectionsRequeueWithoutEnd) {
  ExecutionNews news = news_of(ExecutionState::kNotAccepted);
  news.outcome_proof = "connect_failed";
  news.earlier_not_accepted = 50;
  news.attempt = 51;
  EXPECT_EQ(settle(news).kind, Kind::kRequeue);
  EXPECT_EQ(settle(news).not_before, absl::Seconds(30));
}

TEST(SettlementTest, TheThirdPromptThatWasNotAcceptedFailsTheJob) {
  ExecutionNews news = news_of(ExecutionState::kNotAccepted);
  news.outcome_proof = "absent_strong";
  for (int earlier = 0; earlier < 2; ++earlier) {
    news.earlier_not_accepted = earlier;
    EXPECT_EQ(settle(news).kind, Kind::kRequeue) << earlier;
    EXPECT_EQ(settle(news).not_before, absl::Seconds(1 << earlier)) << earlier;
  }
  news.earlier_not_accepted = 2;
  EXPECT_EQ(settle(news).kind, Kind::kFail);
  EXPECT_EQ(settle(news).error_code, code::kSubmissionRefused);
  news.most_not_accepted = 4;
  EXPECT_EQ(settle(news).kind, Kind::kRequeue);
  EXPECT_EQ(settle(news).not_before, absl::Seconds(4));
}

TEST(SettlementTest, AWishTurnsARequeueIntoACancel) {
  ExecutionNews news = news_of(ExecutionState::kNotAccepted);
  news.job_wants_cancel = true;
  EXPECT_EQ(settle(news).kind, Kind::kCancel);
}

TEST(SettlementTest, RequeueDelayDoublesToThirtySeconds) {
  EXPECT_EQ(requeue_delay(1), absl::Milliseconds(250));
  EXPECT_EQ(requeue_delay(2), absl::Milliseconds(500));
  EXPECT_EQ(requeue_delay(7), absl::Seconds(16));
  EXPECT_EQ(requeue_delay(8), absl::Seconds(30));
  EXPECT_EQ(requeue_delay(1000), absl::Seconds(30));
}

}  // namespace
}  // namespace renderyard::domain
