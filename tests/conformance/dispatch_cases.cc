// Cases of DispatchStore before an execution starts: what is free and what waits, claiming, withdrawing.
#include <gmock/gmock.h>

#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::ExecutionState;
using ports::InstanceStatus;
using ports::JobStatus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(StoreSuite, TheFleetHasOnlySlotsThatMayGetWork) {
  const ports::InstanceId first = add_instance("gpu-1", 2);
  const ports::InstanceId second = add_instance("gpu-2");
  EXPECT_THAT(free_slots(), IsEmpty()) << "nobody drives them";
  const auto leases = await(executions().acquire(bridge("bridge-1"), absl::Seconds(60), 10));
  ASSERT_TRUE(leases.ok()) << leases.status();
  ASSERT_EQ(leases->size(), 2u);
  EXPECT_THAT(free_slots(), IsEmpty()) << "not connected";
  set_status(leases->at(0), InstanceStatus::kConnected);
  set_status(leases->at(1), InstanceStatus::kPolling);
  const std::string slot_1a = to_string(first) + "/0";
  const std::string slot_1b = to_string(first) + "/1";
  const std::string slot_2 = to_string(second) + "/0";
  EXPECT_THAT(free_slots(), ElementsAre(slot_1a, slot_1b, slot_2));

  claim(submit(), first, 0);
  EXPECT_THAT(free_slots(), ElementsAre(slot_1b, slot_2));
  ASSERT_TRUE(await(instances().set_enabled("gpu-2", false)).ok());
  EXPECT_THAT(free_slots(), ElementsAre(slot_1b));
  auto fleet = await(dispatch().fleet());
  ASSERT_TRUE(fleet.ok()) << fleet.status();
  EXPECT_EQ(fleet->instances_enabled, 1);
  EXPECT_EQ(fleet->instances_usable, 1);

  set_status(leases->at(0), InstanceStatus::kReconnecting);
  EXPECT_THAT(free_slots(), IsEmpty());
  set_status(leases->at(0), InstanceStatus::kConnected);
  world().expire_lease(first);
  EXPECT_THAT(free_slots(), IsEmpty()) << "its bridge may be dead";
  fleet = await(dispatch().fleet());
  EXPECT_EQ(fleet->instances_enabled, 1);
  EXPECT_EQ(fleet->instances_usable, 0);
}

TEST_P(StoreSuite, CandidatesByPriorityThenAge) {
  const ports::JobId old = submit();
  const ports::JobId young = submit();
  ports::NewJob sent = new_job();
  sent.priority = 5;
  sent.needs_key = "needs-b";
  const ports::JobId urgent = submit(sent);
  const ports::JobId wished = submit();
  ASSERT_TRUE(await(jobs().request_cancel(wished, user())).ok());
  const ports::InstanceId instance = add_instance("gpu-1");
  connect(instance);
  const ports::JobId claimed = submit();
  claim(claimed, instance);

  const auto ids = [this](int limit) {
    std::vector<ports::JobId> result;
    const auto candidates = await(dispatch().candidates(limit));
    EXPECT_TRUE(candidates.ok()) << candidates.status();
    for (const auto& candidate : candidates.value_or(std::vector<ports::Candidate>{})) {
      result.push_back(candidate.job_id);
    }
    return result;
  };
  EXPECT_THAT(ids(10), ElementsAre(urgent, old, young));
  EXPECT_THAT(ids(2), ElementsAre(urgent, old));
  const auto first = must(dispatch().candidates(1)).at(0);
  EXPECT_EQ(first.user_id, user());
  EXPECT_EQ(first.priority, 5);
  EXPECT_EQ(first.needs_key, "needs-b");
}

TEST_P(StoreSuite, ClaimBindsJobSlotAndExecution) {
  const ports::InstanceId instance = add_instance("gpu-1");
  connect(instance);
  const ports::JobId id = submit();
  std::vector<ports::Assignment> wanted{assignment(id, instance)};
  const auto claimed = await(dispatch().claim(wanted, "dispatcher-1"));
  ASSERT_TRUE(claimed.ok()) << claimed.status();
  ASSERT_EQ(claimed->size(), 1u);
  EXPECT_EQ(claimed->at(0).bridge_address, "bridge-1:7001");
  const ports::ExecutionRow born = execution(claimed->at(0).execution_id);
  EXPECT_EQ(born.state, ExecutionState::kAssigned);
  EXPECT_EQ(born.job_id, id);
  EXPECT_EQ(born.user_id, user());
  EXPECT_EQ(born.instance_id, instance);
  EXPECT_EQ(born.slot_no, 0);
  EXPECT_EQ(born.attempt, 1);
  EXPECT_EQ(born.client_prompt_id, wanted[0].client_prompt_id);
  EXPECT_FALSE(born.owner_epoch || born.client_id || born.submitted_at || born.started_at || born.settled_at);
  const ports::JobRow row = job(id);
  EXPECT_EQ(row.status, JobStatus::kPending) << "claimed jobs stay pending until their execution starts";
  EXPECT_TRUE(row.claimed_at);
  EXPECT_EQ(row.execution_id, born.id);
  EXPECT_EQ(row.worker_id, instance);
  EXPECT_EQ(row.attempt, 1);
  EXPECT_THAT(free_slots(), IsEmpty());
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed"));
  EXPECT_EQ(events_of(id).at(1).execution_id, born.id);
}

TEST_P(StoreSuite, AJobIsClaimedOnce) {
  const ports::InstanceId first = add_instance("gpu-1");
  const ports::InstanceId second = add_instance("gpu-2");
  const ports::JobId id = submit();
  claim(id, first);
  std::vector<ports::Assignment> again{assignment(id, second)};
  const auto claimed = await(dispatch().claim(again, "dispatcher-2"));
  ASSERT_TRUE(claimed.ok()) << claimed.status();
  EXPECT_THAT(*claimed, IsEmpty());
  EXPECT_EQ(job(id).worker_id, first);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed"));
}

TEST_P(StoreSuite, ASlotIsTakenOnce) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::JobId first = submit();
  const ports::JobId second = submit();
  claim(first, instance);
  std::vector<ports::Assignment> taken{assignment(second, instance)};
  EXPECT_THAT(must(dispatch().claim(taken, "dispatcher-2")), IsEmpty());
  std::vector<ports::Assignment> absent{assignment(second, instance, 1)};
  EXPECT_THAT(must(dispatch().claim(absent, "dispatcher-2")), IsEmpty()) << "it has one slot only";
  EXPECT_FALSE(job(second).claimed_at);
  EXPECT_THAT(history_of(second), ElementsAre("submitted"));
}

TEST_P(StoreSuite, OneClaimTakesManyAndLeavesWhatIsGone) {
  const ports::InstanceId big = add_instance("gpu-1", 2);
  const ports::InstanceId small = add_instance("gpu-2");
  const ports::JobId first = submit();
  const ports::JobId second = submit();
  const ports::JobId third = submit();
  const ports::JobId gone = submit();
  claim(gone, small);
  // The slot of `gone` and the job `gone` itself are taken by now.
  std::vector<ports::Assignment> wanted{assignment(first, big, 0), assignment(gone, big, 1),
                                        assignment(second, small, 0), assignment(third, big, 1)};
  const auto claimed = await(dispatch().claim(wanted, "dispatcher-1"));
  ASSERT_TRUE(claimed.ok()) << claimed.status();
  std::vector<ports::JobId> ids;
  for (const auto& one : *claimed) ids.push_back(one.job_id);
  EXPECT_THAT(ids, ::testing::UnorderedElementsAre(first, third))
      << "a pair whose job or slot is gone takes neither its job nor its slot";
  EXPECT_FALSE(job(second).claimed_at);
}

TEST_P(StoreSuite, ClaimPassesOverWishedJobs) {
  const ports::InstanceId instance = add_instance("gpu-1");
  connect(instance);
  const ports::JobId id = submit();
  ASSERT_TRUE(await(jobs().request_cancel(id, user())).ok());
  std::vector<ports::Assignment> wanted{assignment(id, instance)};
  EXPECT_THAT(must(dispatch().claim(wanted, "dispatcher-1")), IsEmpty());
  EXPECT_EQ(free_slots().size(), 1u) << "its slot was not used up";
}

TEST_P(StoreSuite, WishedJobsThatWaitAreCancelled) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::JobId waiting = submit();
  const ports::JobId claimed = submit();
  claim(claimed, instance);
  submit();
  ASSERT_TRUE(await(jobs().request_cancel(waiting, user())).ok());
  ASSERT_TRUE(await(jobs().request_cancel(claimed, user())).ok());
  EXPECT_EQ(must(dispatch().cancel_wished(10)), 1) << "the claimed one may be at ComfyUI already";
  EXPECT_EQ(job(waiting).status, JobStatus::kCancelled);
  EXPECT_TRUE(job(waiting).completed_at);
  EXPECT_EQ(job(claimed).status, JobStatus::kPending);
  EXPECT_THAT(history_of(waiting), ElementsAre("submitted", "cancel_requested", "cancelled"));
  EXPECT_EQ(must(dispatch().cancel_wished(10)), 0);
}

TEST_P(StoreSuite, CancelWishedIsBounded) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(await(jobs().request_cancel(submit(), user())).ok());
  EXPECT_EQ(must(dispatch().cancel_wished(2)), 2);
  EXPECT_EQ(must(dispatch().cancel_wished(2)), 1);
}

TEST_P(StoreSuite, WithdrawReturnsTheJob) {
  const ports::InstanceId instance = add_instance("gpu-1");
  connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId first = claim(id, instance);
  EXPECT_TRUE(must(dispatch().withdraw(first, "too old")));
  EXPECT_EQ(execution(first).state, ExecutionState::kWithdrawn);
  EXPECT_TRUE(execution(first).completed_at && execution(first).settled_at);
  const ports::JobRow row = job(id);
  EXPECT_EQ(row.status, JobStatus::kPending);
  EXPECT_FALSE(row.claimed_at || row.execution_id || row.worker_id);
  EXPECT_EQ(free_slots().size(), 1u);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "requeued"));
  const auto requeued = events_of(id).at(2);
  EXPECT_NE(requeued.data_json.find("too old"), std::string::npos) << requeued.data_json;
  EXPECT_THAT(unsettled(), IsEmpty()) << "the job knows";
  EXPECT_FALSE(must(dispatch().withdraw(first, "again")));

  const ports::ExecutionId second = claim(id, instance);
  EXPECT_NE(second, first);
  EXPECT_EQ(execution(second).attempt, 2);
}

TEST_P(StoreSuite, WithdrawOfAWishedJobCancelsIt) {
  const ports::InstanceId instance = add_instance("gpu-1");
  connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId assigned = claim(id, instance);
  ASSERT_TRUE(await(jobs().request_cancel(id, user())).ok());
  EXPECT_TRUE(must(dispatch().withdraw(assigned, "wish")));
  EXPECT_EQ(job(id).status, JobStatus::kCancelled);
  EXPECT_TRUE(job(id).completed_at);
  EXPECT_EQ(free_slots().size(), 1u);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed", "cancel_requested", "cancelled"));
  EXPECT_THAT(unsettled(), IsEmpty());
}

TEST_P(StoreSuite, StartedFirstCannotBeWithdrawn) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::JobId id = submit();
  const ports::ExecutionId assigned = claim(id, instance);
  ASSERT_TRUE(start(assigned, lease));
  EXPECT_FALSE(must(dispatch().withdraw(assigned, "too old")));
  EXPECT_EQ(execution(assigned).state, ExecutionState::kSubmitting);
  EXPECT_EQ(job(id).execution_id, assigned);
  EXPECT_THAT(history_of(id), ElementsAre("submitted", "claimed"));
}

TEST_P(StoreSuite, WithdrawnFirstCannotBeStarted) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = connect(instance);
  const ports::ExecutionId assigned = claim(submit(), instance);
  EXPECT_TRUE(must(dispatch().withdraw(assigned, "too old")));
  EXPECT_FALSE(start(assigned, lease));
  EXPECT_EQ(execution(assigned).state, ExecutionState::kWithdrawn);
}

TEST_P(StoreSuite, StaleAssignmentsByAgeOrWish) {
  const ports::InstanceId instance = add_instance("gpu-1", 3);
  const ports::Lease lease = connect(instance);
  const ports::JobId idle = submit();
  const ports::ExecutionId assigned = claim(idle, instance, 0);
  const ports::JobId wished = submit();
  const ports::ExecutionId unwanted = claim(wished, instance, 1);
  ASSERT_TRUE(start(claim(submit(), instance, 2), lease));
  ASSERT_TRUE(await(jobs().request_cancel(wished, user())).ok());

  auto stale = await(dispatch().stale_assigned(absl::Hours(1), 10));
  ASSERT_TRUE(stale.ok()) << stale.status();
  ASSERT_EQ(stale->size(), 1u);
  EXPECT_EQ(stale->at(0).execution_id, unwanted);
  EXPECT_EQ(stale->at(0).job_id, wished);
  // Negative: older than "a little from now", which all are.
  stale = await(dispatch().stale_assigned(-absl::Seconds(1), 10));
  ASSERT_EQ(stale->size(), 2u);
  EXPECT_EQ(stale->at(0).execution_id, assigned);
  EXPECT_EQ(stale->at(0).job_id, idle);
  EXPECT_EQ(must(dispatch().stale_assigned(-absl::Seconds(1), 1)).size(), 1u);
}

TEST_P(StoreSuite, WaitingJobsShowTheReason) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::JobId waiting = submit();
  const ports::JobId claimed = submit();
  claim(claimed, instance);
  ASSERT_TRUE(await(dispatch().set_waiting_reason("no_free_slot")).ok());
  EXPECT_EQ(job(waiting).waiting_reason, "no_free_slot");
  EXPECT_FALSE(job(claimed).waiting_reason);
  ASSERT_TRUE(await(dispatch().set_waiting_reason("no_instance")).ok());
  EXPECT_EQ(job(waiting).waiting_reason, "no_instance");
  const auto listed = await(jobs().list({}));
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->back().waiting_reason, "no_instance");
  ASSERT_TRUE(await(dispatch().set_waiting_reason("")).ok());
  EXPECT_FALSE(job(waiting).waiting_reason);
}

}  // namespace
}  // namespace renderyard::conformance
