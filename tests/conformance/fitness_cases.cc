// Which instances are fit for work: quarantine, circuit breaker, and the adoptions that lead to the former.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"
#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using domain::Circuit;
using domain::Quarantine;
using ports::ExecutionState;
using ::testing::IsEmpty;

ports::Advance failing(const StoreSuite::Running& run) {
  ports::Advance step;
  step.id = run.execution;
  step.epoch = run.lease.epoch;
  step.from = {ExecutionState::kRunning};
  step.to = ExecutionState::kFailed;
  step.error = ports::JobError{"limit_run", "too long", {}, {}};
  return step;
}

Circuit open_until(absl::Time until) {
  Circuit circuit;
  circuit.faults = 3;
  circuit.openings = 2;
  circuit.open_until = until;
  circuit.last_job = ports::JobId{7};
  circuit.reason = "device: CUDA error \xe2\x9c\x93";
  return circuit;
}

TEST_P(StoreSuite, AnInstanceInQuarantineGetsNoWorkUntilItsBridgeLiftsIt) {
  const Running run = running();
  ports::Advance step = failing(run);
  step.quarantine = Quarantine::kWorkerDead;
  ASSERT_TRUE(must(executions().advance(step)));
  EXPECT_THAT(free_slots(), IsEmpty()) << "its slot is free, but the instance is not fit";
  const ports::InstanceRow row = instance_row(run.instance);
  EXPECT_TRUE(row.quarantined_at);
  EXPECT_EQ(row.quarantine, Quarantine::kWorkerDead);
  EXPECT_EQ(row.quarantined_by, run.execution);
  EXPECT_EQ(must(dispatch().fleet()).instances_usable, 0);
  EXPECT_EQ(must(dispatch().fleet()).instances_enabled, 1);
  EXPECT_TRUE(execution(run.execution).stray_seen_at);
  EXPECT_FALSE(execution(run.execution).stray_outcome);

  const ports::Epoch stranger{run.lease.epoch.value + 1};
  EXPECT_FALSE(must(executions().lift_quarantine(run.instance, stranger, run.execution, "vanished")));
  const ports::ExecutionId other{run.execution.value + 1000};
  EXPECT_TRUE(must(executions().lift_quarantine(run.instance, run.lease.epoch, other, "vanished")));
  EXPECT_TRUE(instance_row(run.instance).quarantined_at) << "it is in quarantine for another reason";
  EXPECT_TRUE(must(executions().lift_quarantine(run.instance, run.lease.epoch, run.execution, "interrupted")));
  const ports::InstanceRow after = instance_row(run.instance);
  EXPECT_FALSE(after.quarantined_at || after.quarantine || after.quarantined_by);
  EXPECT_EQ(execution(run.execution).stray_outcome, "interrupted");
  EXPECT_EQ(free_slots().size(), 1u);
}

TEST_P(StoreSuite, AQuarantineIsFencedAndTheFirstReasonStays) {
  const Running run = running();
  const ports::Epoch stranger{run.lease.epoch.value + 1};
  EXPECT_FALSE(must(executions().quarantine(run.instance, stranger, run.execution, Quarantine::kPoisonedAdoption)));
  EXPECT_FALSE(instance_row(run.instance).quarantined_at);
  EXPECT_TRUE(
      must(executions().quarantine(run.instance, run.lease.epoch, run.execution, Quarantine::kPoisonedAdoption)));
  const auto since = instance_row(run.instance).quarantined_at;
  ASSERT_TRUE(since);
  ports::Advance step = failing(run);
  step.quarantine = Quarantine::kWorkerDead;
  ASSERT_TRUE(must(executions().advance(step)));
  const ports::InstanceRow row = instance_row(run.instance);
  EXPECT_EQ(row.quarantine, Quarantine::kPoisonedAdoption);
  EXPECT_EQ(row.quarantined_at, since);
  EXPECT_TRUE(execution(run.execution).stray_seen_at) << "given up all the same";
}

TEST_P(StoreSuite, AStepWithoutAWordOfTheInstanceLeavesItAlone) {
  const Running run = running();
  ASSERT_TRUE(must(executions().advance(failing(run))));
  const ports::InstanceRow row = instance_row(run.instance);
  EXPECT_FALSE(row.quarantined_at);
  EXPECT_EQ(row.circuit, Circuit());
  EXPECT_FALSE(execution(run.execution).stray_seen_at);
}

TEST_P(StoreSuite, AnOpenCircuitGetsNoWorkAndAHalfOpenOneOneExecutionAtATime) {
  const Running run = running(2);
  const absl::Time now = execution(run.execution).read_at;
  ports::Advance step = failing(run);
  step.circuit = open_until(now + absl::Hours(1));
  ASSERT_TRUE(must(executions().advance(step)));
  EXPECT_EQ(instance_row(run.instance).circuit, *step.circuit);
  EXPECT_THAT(free_slots(), IsEmpty());
  EXPECT_EQ(must(dispatch().fleet()).instances_usable, 0);

  ASSERT_TRUE(must(instances().release("gpu-1")).circuit == Circuit());
  const ports::ExecutionId second = claim(submit(), run.instance);
  ASSERT_TRUE(start(second, run.lease));
  advance(second, run.lease, ExecutionState::kRunning);
  step = failing({run.instance, run.lease, second});
  step.circuit = open_until(now - absl::Hours(1));
  step.circuit_version = instance_row(run.instance).circuit_version;
  ASSERT_TRUE(must(executions().advance(step)));
  ASSERT_EQ(free_slots().size(), 1u) << "one of two";
  EXPECT_EQ(free_slots()[0], to_string(run.instance) + "/0");
  const ports::ExecutionId probe = claim(submit(), run.instance);
  EXPECT_THAT(free_slots(), IsEmpty()) << "one is let through";

  ASSERT_TRUE(start(probe, run.lease));
  const int version = instance_row(run.instance).circuit_version;
  const ports::Epoch stranger{run.lease.epoch.value + 1};
  EXPECT_FALSE(must(executions().close_circuit(run.instance, stranger, version)));
  EXPECT_FALSE(must(executions().close_circuit(run.instance, run.lease.epoch, version - 1)));
  EXPECT_NE(instance_row(run.instance).circuit, Circuit());
  EXPECT_TRUE(must(executions().close_circuit(run.instance, run.lease.epoch, version)));
  EXPECT_EQ(instance_row(run.instance).circuit, Circuit());
  EXPECT_EQ(free_slots().size(), 1u) << "a success closes it";
}

TEST_P(StoreSuite, WhatWasCountedBeforeAnOperatorReleasedTheInstanceIsNotWritten) {
  const Running run = running();
  ASSERT_TRUE(must(executions().quarantine(run.instance, run.lease.epoch, run.execution, Quarantine::kWorkerDead)));
  const int before = instance_row(run.instance).circuit_version;
  const ports::InstanceRow released = must(instances().release("gpu-1"));
  EXPECT_EQ(released.circuit_version, before + 1);
  EXPECT_FALSE(released.quarantined_at || released.quarantine || released.quarantined_by);
  ports::Advance step = failing(run);
  step.circuit = open_until(execution(run.execution).read_at + absl::Hours(1));
  step.circuit_version = before;
  ASSERT_TRUE(must(executions().advance(step))) << "the execution goes its way";
  EXPECT_EQ(instance_row(run.instance).circuit, Circuit());
  EXPECT_EQ(free_slots().size(), 1u);
  EXPECT_TRUE(absl::IsNotFound(await(instances().release("gpu-9")).status()));
}

TEST_P(StoreSuite, AdoptionsInQuickSuccessionAreCounted) {
  const Running run = running();
  EXPECT_EQ(execution(run.execution).adoption_run, 0);
  for (int adoption = 1; adoption <= 3; ++adoption) {
    ASSERT_EQ(must(executions().reclaim(bridge("bridge-1"), absl::Minutes(1))).size(), 1u);
    EXPECT_EQ(execution(run.execution).adoption_run, adoption);
    EXPECT_EQ(execution(run.execution).adoptions, adoption);
  }
  world().age_adoption(run.execution);
  ASSERT_EQ(must(executions().reclaim(bridge("bridge-1"), absl::Minutes(1))).size(), 1u);
  EXPECT_EQ(execution(run.execution).adoption_run, 1) << "the last adopter lived on";
  EXPECT_EQ(execution(run.execution).adoptions, 4);
}

TEST_P(StoreSuite, AnAdopterThatLivesOnEndsTheRunOfAdoptions) {
  const Running run = running();
  ports::Lease lease;
  for (int adoption = 1; adoption <= 2; ++adoption) {
    const auto leases = must(executions().reclaim(bridge("bridge-1"), absl::Minutes(1)));
    ASSERT_EQ(leases.size(), 1u);
    lease = leases[0];
  }
  ASSERT_EQ(execution(run.execution).adoption_run, 2);
  EXPECT_TRUE(await(executions().outlived({lease}, absl::Minutes(1))).ok());
  EXPECT_EQ(execution(run.execution).adoption_run, 2) << "too young to tell";
  EXPECT_TRUE(await(executions().outlived({run.lease}, absl::ZeroDuration())).ok());
  EXPECT_EQ(execution(run.execution).adoption_run, 2) << "of an earlier epoch";
  world().age_adoption(run.execution);
  EXPECT_TRUE(await(executions().outlived({lease}, absl::Minutes(1))).ok());
  EXPECT_EQ(execution(run.execution).adoption_run, 0);
  EXPECT_EQ(execution(run.execution).adoptions, 2) << "all of them, ever";
  for (int adoption = 1; adoption <= domain::kPoisonedRun; ++adoption) {
    lease = must(executions().reclaim(bridge("bridge-1"), absl::Minutes(1))).at(0);
  }
  EXPECT_TRUE(await(executions().outlived({lease}, absl::ZeroDuration())).ok());
  EXPECT_EQ(execution(run.execution).adoption_run, domain::kPoisonedRun) << "nobody listens to it: it proves nothing";
}

base::Task<absl::Status> fail(Stores stores, ports::Advance step) {
  const auto moved = co_await stores.executions.advance(std::move(step));
  co_return moved.status();
}

base::Task<absl::Status> put_into_quarantine(Stores stores, StoreSuite::Running run) {
  const auto ours = co_await stores.executions.quarantine(run.instance, run.lease.epoch, run.execution,
                                                          Quarantine::kPoisonedAdoption);
  co_return ours.status();
}

base::Task<absl::Status> release(Stores stores) {
  const auto released = co_await stores.instances.release("gpu-1");
  co_return released.status();
}

base::Task<absl::Status> race(StoreWorld& world, ports::Advance step, StoreSuite::Running run) {
  base::Group group(world.strand());
  group.spawn(fail(world.client(0), std::move(step)));
  group.spawn(put_into_quarantine(world.client(1), run));
  group.spawn(release(world.client(2)));
  co_return co_await group.join();
}

// Whatever their order: the release voids the circuit of its time, and a quarantine is whole.
TEST_P(StoreSuite, RacedReleaseQuarantineAndCircuitLeaveAWholeRow) {
  Running run;
  run.instance = add_instance("gpu-1");
  run.lease = connect(run.instance);
  for (int round = 0; round < 10; ++round) {
    run.execution = claim(submit(), run.instance);
    ASSERT_TRUE(start(run.execution, run.lease));
    advance(run.execution, run.lease, ExecutionState::kRunning);
    ports::Advance step = failing(run);
    step.circuit = open_until(execution(run.execution).read_at + absl::Hours(1));
    step.circuit_version = instance_row(run.instance).circuit_version;
    const absl::Status status = await(race(world(), step, run));
    ASSERT_TRUE(status.ok()) << status;
    const ports::InstanceRow row = instance_row(run.instance);
    EXPECT_EQ(row.circuit, Circuit()) << "written before the release, or refused after it";
    EXPECT_EQ(row.quarantined_at.has_value(), row.quarantine.has_value());
    EXPECT_EQ(row.quarantined_at.has_value(), row.quarantined_by.has_value());
    EXPECT_EQ(row.circuit_version, step.circuit_version + 1);
    must(instances().release("gpu-1"));
  }
}

}  // namespace
}  // namespace renderyard::conformance
