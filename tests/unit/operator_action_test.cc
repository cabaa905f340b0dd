// What an operator may do in which state, over all states.
#include "libs/common/domain/operator_action.h"

#include <gtest/gtest.h>

#include <string>

#include "libs/common/domain/machines.h"

namespace renderyard::domain {
namespace {

TEST(OperatorActionTest, NamesRoundTrip) {
  for (const OperatorAction action : {OperatorAction::kNote, OperatorAction::kGiveUp, OperatorAction::kFreeSlot}) {
    EXPECT_EQ(operator_action_from(to_string(action)), action);
  }
  EXPECT_FALSE(operator_action_from("anything"));
}

TEST(OperatorActionTest, EveryLiveExecutionCanBeGivenUpByAnEdgeOfTheMachineAndNoOther) {
  for (const JobStatus job : kJobStatuses) {
    EXPECT_FALSE(given_up_to(job, std::nullopt).ok()) << to_string(job);
    for (const ExecutionState from : kExecutionStates) {
      const auto to = given_up_to(job, from);
      EXPECT_EQ(to.ok(), !is_final(job) && !is_final(from)) << to_string(job) << " " << to_string(from);
      if (!to.ok()) {
        EXPECT_TRUE(absl::IsFailedPrecondition(to.status()));
        continue;
      }
      EXPECT_TRUE(is_final(*to) && allowed(from, *to, Owner::kOperator));
      EXPECT_EQ(*to == ExecutionState::kWithdrawn, from == ExecutionState::kAssigned);
    }
  }
}

TEST(OperatorActionTest, APromptMayRunOnceItMayHaveBeenSentAndHasNotEnded) {
  for (const ExecutionState state : kExecutionStates) {
    const bool may =
        state == ExecutionState::kSubmitting || state == ExecutionState::kQueued || state == ExecutionState::kRunning;
    EXPECT_EQ(prompt_may_run(state), may) << to_string(state);
  }
}

TEST(OperatorActionTest, OnlySlotsOfNothingThatLivesAreFreed) {
  EXPECT_TRUE(may_free(std::nullopt).ok());
  for (const ExecutionState state : kExecutionStates) {
    EXPECT_EQ(may_free(state).ok(), is_final(state)) << to_string(state);
  }
}

TEST(OperatorActionTest, OnlyAnUnclearSubmissionTakesANote) {
  for (const JobStatus job : kJobStatuses) {
    EXPECT_EQ(may_note(job, "submission_unclear").ok(), job == JobStatus::kFailed) << to_string(job);
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(may_note(JobStatus::kFailed, "node_error")));
}

TEST(OperatorActionTest, WhoAndWhyAreOneLineEach) {
  EXPECT_TRUE(check_operator("anna", "it hangs").ok());
  EXPECT_TRUE(check_operator("anna", std::string(kMaxOperatorReason, 'x')).ok());
  for (const std::string& wrong : {std::string(), std::string("  "), std::string("a\nb"), std::string("a\0b", 3),
                                   std::string(kMaxOperatorReason + 1, 'x')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(check_operator("anna", wrong))) << wrong.size();
    EXPECT_TRUE(absl::IsInvalidArgument(check_operator(wrong, "it hangs"))) << wrong.size();
  }
}

}  // namespace
}  // namespace renderyard::domain
