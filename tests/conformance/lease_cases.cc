// Cases of leases, instance state, witness, and of InstanceStore.
#include <gmock/gmock.h>

#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::ExecutionState;
using ports::InstanceStatus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<ports::InstanceId> ids_of(const std::vector<ports::Lease>& leases) {
  std::vector<ports::InstanceId> ids;
  for (const auto& lease : leases) ids.push_back(lease.instance_id);
  return ids;
}

TEST_P(StoreSuite, AcquireTakesAbsentAndExpiredLeasesOnly) {
  const ports::InstanceId first = add_instance("gpu-1");
  const ports::InstanceId second = add_instance("gpu-2");
  const ports::InstanceId third = add_instance("gpu-3");
  auto leases = must(executions().acquire(bridge("bridge-1"), absl::Seconds(60), 2));
  ASSERT_THAT(ids_of(leases), ElementsAre(first, second)) << "at most the limit";
  EXPECT_EQ(leases[0].previous_owner, "");
  EXPECT_GT(leases[0].epoch.value, 0);
  leases = must(executions().acquire(bridge("bridge-2"), absl::Seconds(60), 10));
  ASSERT_THAT(ids_of(leases), ElementsAre(third)) << "live leases are left alone";
  EXPECT_THAT(must(executions().acquire(bridge("bridge-1"), absl::Seconds(60), 10)), IsEmpty());
  const ports::Epoch before = leases[0].epoch;
  world().expire_lease(third);
  leases = must(executions().acquire(bridge("bridge-1"), absl::Seconds(60), 10));
  ASSERT_THAT(ids_of(leases), ElementsAre(third));
  EXPECT_EQ(leases[0].epoch.value, before.value + 1);
  EXPECT_EQ(leases[0].previous_owner, "bridge-2");
}

TEST_P(StoreSuite, ReclaimTakesOwnLeasesAtOnce) {
  const ports::InstanceId first = add_instance("gpu-1");
  const ports::InstanceId second = add_instance("gpu-2");
  const ports::InstanceId third = add_instance("gpu-3");
  const auto mine = must(executions().acquire(bridge("bridge-1"), absl::Seconds(60), 2));
  const ports::Lease theirs = acquire(third, "bridge-2");
  const auto again = must(executions().reclaim(bridge("bridge-1"), absl::Seconds(60)));
  ASSERT_THAT(ids_of(again), ElementsAre(first, second));
  EXPECT_EQ(again[0].epoch.value, mine[0].epoch.value + 1);
  EXPECT_EQ(again[0].previous_owner, "bridge-1");
  EXPECT_THAT(must(executions().renew(bridge("bridge-1"), mine, absl::Seconds(60))), IsEmpty()) << "the past";
  EXPECT_THAT(must(executions().renew(bridge("bridge-1"), again, absl::Seconds(60))), ElementsAre(first, second));
  std::vector<ports::Lease> foreign{theirs};
  EXPECT_THAT(must(executions().renew(bridge("bridge-1"), foreign, absl::Seconds(60))), IsEmpty());
  EXPECT_THAT(must(executions().reclaim(bridge("bridge-3"), absl::Seconds(60))), IsEmpty());
}

TEST_P(StoreSuite, RenewOutlivesTheFirstTerm) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = acquire(instance);
  world().expire_lease(instance);
  std::vector<ports::Lease> leases{lease};
  EXPECT_THAT(must(executions().renew(bridge("bridge-1"), leases, absl::Seconds(60))), ElementsAre(instance))
      << "late, but nobody took it";
  EXPECT_THAT(must(executions().acquire(bridge("bridge-2"), absl::Seconds(60), 10)), IsEmpty());
}

TEST_P(StoreSuite, ReleaseEndsTheLeaseNow) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = acquire(instance);
  ports::Lease stale = lease;
  stale.epoch.value -= 1;
  std::vector<ports::Lease> leases{stale};
  ASSERT_TRUE(await(executions().release(leases)).ok());
  EXPECT_THAT(must(executions().acquire(bridge("bridge-2"), absl::Seconds(60), 10)), IsEmpty()) << "fenced by epoch";
  leases[0] = lease;
  ASSERT_TRUE(await(executions().release(leases)).ok());
  EXPECT_EQ(acquire(instance, "bridge-2").epoch.value, lease.epoch.value + 1);
}

TEST_P(StoreSuite, ATakeoverAdoptsWhatWasSent) {
  const ports::InstanceId instance = add_instance("gpu-1", 4);
  const ports::Lease old_lease = connect(instance, "bridge-1");
  const ports::ExecutionId running = claim(submit(), instance, 0);
  const ports::ExecutionId ended = claim(submit(), instance, 1);
  const ports::ExecutionId assigned = claim(submit(), instance, 2);
  const ports::ExecutionId submitting = claim(submit(), instance, 3);
  ASSERT_TRUE(start(running, old_lease) && start(ended, old_lease) && start(submitting, old_lease));
  advance(running, old_lease, ExecutionState::kRunning);
  end(ended, old_lease, ExecutionState::kLost);
  const auto client_id = execution(running).client_id;

  world().expire_lease(instance);
  const ports::Lease lease = acquire(instance, "bridge-2");
  for (const auto& e : {running, submitting}) {
    EXPECT_EQ(execution(e).owner_epoch, lease.epoch);
    EXPECT_EQ(execution(e).adoptions, 1);
  }
  EXPECT_EQ(execution(running).client_id, client_id) << "the prompt's events go to the id it was posted with";
  EXPECT_EQ(execution(running).state, ExecutionState::kRunning);
  EXPECT_FALSE(execution(assigned).owner_epoch) << "nobody owns what was not sent";
  EXPECT_EQ(execution(assigned).adoptions, 0);
  EXPECT_EQ(execution(ended).owner_epoch, old_lease.epoch);

  ports::Advance late;
  late.id = running;
  late.epoch = old_lease.epoch;
  late.from = {ExecutionState::kRunning};
  late.to = ExecutionState::kCollecting;
  EXPECT_FALSE(must(executions().advance(late))) << "the old owner has woken up too late";
  late.epoch = lease.epoch;
  EXPECT_TRUE(must(executions().advance(late)));

  const auto again = must(executions().reclaim(bridge("bridge-2"), absl::Seconds(60)));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(execution(running).owner_epoch, again[0].epoch) << "a restart adopts what is being collected, too";
  EXPECT_EQ(execution(running).adoptions, 2);
}

TEST_P(StoreSuite, ADisabledInstanceIsFollowedWhileItHasWork) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::InstanceId idle = add_instance("gpu-2");
  const auto leases = must(executions().acquire(bridge("bridge-1"), absl::Seconds(60), 10));
  ASSERT_EQ(leases.size(), 2u);
  const ports::ExecutionId e = claim(submit(), instance);
  ASSERT_TRUE(start(e, leases[0]));
  ASSERT_TRUE(await(instances().set_enabled("gpu-1", false)).ok());
  ASSERT_TRUE(await(instances().set_enabled("gpu-2", false)).ok());
  EXPECT_THAT(must(executions().renew(bridge("bridge-1"), leases, absl::Seconds(60))), ElementsAre(instance, idle))
      << "whoever drives it says itself when it leaves";
  const auto own = must(executions().reclaim(bridge("bridge-1"), absl::Seconds(60)));
  EXPECT_THAT(ids_of(own), ElementsAre(instance)) << "also after a restart";
  world().expire_lease(instance);
  world().expire_lease(idle);
  const auto taken = must(executions().acquire(bridge("bridge-2"), absl::Seconds(60), 10));
  ASSERT_THAT(ids_of(taken), ElementsAre(instance)) << "also after a takeover";
  end(e, taken[0], ExecutionState::kLost);
  ASSERT_TRUE(await(executions().release(taken)).ok());
  EXPECT_THAT(must(executions().acquire(bridge("bridge-3"), absl::Seconds(60), 10)), IsEmpty()) << "nothing to drive";
}

// Who took it over knows which lock its predecessor held, and so whether that one can still live.
TEST_P(StoreSuite, ALeaseTellsTheLockOfTheOneBefore) {
  const ports::InstanceId instance = add_instance("gpu-1");
  ports::BridgeIdentity first = bridge("bridge-1");
  first.lock = "lock-a";
  const auto taken = must(executions().acquire(first, absl::Seconds(60), 10));
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].previous_lock, "");
  ports::BridgeIdentity without = bridge("bridge-1");
  auto again = must(executions().reclaim(without, absl::Seconds(60)));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].previous_owner, "bridge-1");
  EXPECT_EQ(again[0].previous_lock, "lock-a");
  again = must(executions().reclaim(first, absl::Seconds(60)));
  EXPECT_EQ(again.at(0).previous_lock, "") << "the one between held none";
  world().expire_lease(instance);
  const auto other = must(executions().acquire(bridge("bridge-2"), absl::Seconds(60), 10));
  EXPECT_EQ(other.at(0).previous_lock, "lock-a");
}

TEST_P(StoreSuite, BridgeAddressesAreThoseOfLiveLeases) {
  const ports::InstanceId first = add_instance("gpu-1");
  const ports::InstanceId second = add_instance("gpu-2");
  add_instance("gpu-3");
  EXPECT_THAT(must(jobs().bridge_addresses()), IsEmpty());
  ASSERT_EQ(must(executions().acquire(bridge("bridge-2"), absl::Seconds(60), 2)).size(), 2u);
  ASSERT_EQ(must(executions().acquire(bridge("bridge-1"), absl::Seconds(60), 1)).size(), 1u);
  EXPECT_THAT(must(jobs().bridge_addresses()), ElementsAre("bridge-1:7001", "bridge-2:7001"));
  world().expire_lease(first);
  world().expire_lease(second);
  EXPECT_THAT(must(jobs().bridge_addresses()), ElementsAre("bridge-1:7001"));
}

TEST_P(StoreSuite, InstanceStateIsWrittenByTheLeaseHolder) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = acquire(instance);
  EXPECT_EQ(instance_row(instance).status, InstanceStatus::kDisconnected);
  ports::InstanceState state;
  state.id = instance;
  state.epoch = lease.epoch;
  state.status = InstanceStatus::kConnected;
  ASSERT_TRUE(write_state(state));
  ports::InstanceRow row = instance_row(instance);
  EXPECT_EQ(row.status, InstanceStatus::kConnected);
  EXPECT_TRUE(row.last_connected_at);
  EXPECT_FALSE(row.last_disconnected_at || row.status_reason);
  EXPECT_EQ(row.lease_owner, "bridge-1");
  state.status = InstanceStatus::kReconnecting;
  state.reconnect_attempts = 3;
  state.reason = "connection_reset";
  ASSERT_TRUE(write_state(state));
  row = instance_row(instance);
  EXPECT_EQ(row.status, InstanceStatus::kReconnecting);
  EXPECT_EQ(row.reconnect_attempts, 3);
  EXPECT_EQ(row.status_reason, "connection_reset");
  EXPECT_TRUE(row.last_disconnected_at);
  state.epoch.value += 1;
  state.status = InstanceStatus::kConnected;
  EXPECT_FALSE(write_state(state));
  EXPECT_EQ(instance_row(instance).status, InstanceStatus::kReconnecting);
}

TEST_P(StoreSuite, StatesOfManyInstancesAreWrittenAtOnceAndReadAtOnce) {
  const ports::InstanceId first = add_instance("gpu-1");
  const ports::InstanceId second = add_instance("gpu-2");
  const ports::InstanceId third = add_instance("gpu-3");
  std::vector<ports::InstanceState> states;
  for (const ports::Lease& lease : must(executions().acquire(bridge("bridge-1"), absl::Seconds(60), 100))) {
    ports::InstanceState& state = states.emplace_back();
    state.id = lease.instance_id;
    state.epoch = lease.epoch;
    state.status = lease.instance_id == first ? InstanceStatus::kConnected : InstanceStatus::kPolling;
    state.reason = lease.instance_id == first ? "" : "stream_blocked";
    state.reconnect_attempts = static_cast<int>(lease.instance_id.value);
  }
  ASSERT_EQ(states.size(), 3u);
  for (ports::InstanceState& state : states) state.epoch.value += state.id == second ? 1 : 0;
  EXPECT_THAT(must(executions().set_instance_states(states)), ElementsAre(first, third));
  EXPECT_THAT(must(executions().set_instance_states({})), IsEmpty());
  const ports::InstanceId absent{third.value + 1000};
  const auto rows = must(executions().instances({third, absent, first, second}));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].status, InstanceStatus::kConnected);
  EXPECT_EQ(rows[0].status_reason, std::nullopt);
  EXPECT_EQ(rows[1].status, InstanceStatus::kDisconnected);
  EXPECT_EQ(rows[2].status, InstanceStatus::kPolling);
  EXPECT_EQ(rows[2].status_reason, "stream_blocked");
  EXPECT_EQ(rows[2].reconnect_attempts, third.value);
  EXPECT_THAT(must(executions().instances({})), IsEmpty());
}

TEST_P(StoreSuite, TheWitnessIsWrittenByTheLeaseHolder) {
  const ports::InstanceId instance = add_instance("gpu-1");
  const ports::Lease lease = acquire(instance);
  EXPECT_EQ(instance_row(instance).witness_prompt_id, std::nullopt);
  ASSERT_TRUE(await(executions().set_witness(instance, lease.epoch, "prompt-1")).ok());
  EXPECT_EQ(instance_row(instance).witness_prompt_id, "prompt-1");
  ASSERT_TRUE(await(executions().set_witness(instance, ports::Epoch{lease.epoch.value + 1}, "prompt-2")).ok());
  EXPECT_EQ(instance_row(instance).witness_prompt_id, "prompt-1");
}

TEST_P(StoreSuite, AnExecutionKeepsTheWitnessFromBeforeItsStart) {
  const ports::InstanceId instance = add_instance("gpu-1", 2);
  const ports::Lease lease = connect(instance);
  const ports::ExecutionId first = claim(submit(), instance, 0);
  ASSERT_TRUE(start(first, lease));
  EXPECT_EQ(execution(first).witness_prompt_id, std::nullopt);
  ASSERT_TRUE(await(executions().set_witness(instance, lease.epoch, "prompt-1")).ok());
  const ports::ExecutionId second = claim(submit(), instance, 1);
  ASSERT_TRUE(start(second, lease));
  EXPECT_EQ(execution(first).witness_prompt_id, std::nullopt) << "it was seen after this one was sent";
  EXPECT_EQ(execution(second).witness_prompt_id, "prompt-1");
}

TEST_P(StoreSuite, InstancesAreAddedWithTheirSlots) {
  ports::NewInstance wanted;
  wanted.name = "gpu-1";
  wanted.api_url = "http://gpu-1:8188";
  wanted.ws_url = "ws://gpu-1:8188";
  wanted.slots = 2;
  const ports::InstanceRow added = must(instances().add(wanted));
  EXPECT_EQ(added.name, "gpu-1");
  EXPECT_EQ(added.api_url, wanted.api_url);
  EXPECT_EQ(added.ws_url, wanted.ws_url);
  EXPECT_EQ(added.slots, 2);
  EXPECT_TRUE(added.is_enabled);
  EXPECT_EQ(added.status, InstanceStatus::kDisconnected);
  connect(added.id);
  EXPECT_EQ(free_slots().size(), 2u);
  const ports::InstanceId second = add_instance("gpu-2");
  const auto listed = must(instances().list(false));
  ASSERT_EQ(listed.size(), 2u);
  EXPECT_EQ(listed[0].id, added.id);
  EXPECT_EQ(listed[0].lease_owner, "bridge-1");
  EXPECT_EQ(listed[1].id, second);
}

TEST_P(StoreSuite, NamesAndUrlsOfInstancesAreUnique) {
  add_instance("gpu-1");
  ports::NewInstance wanted;
  wanted.name = "gpu-1";
  wanted.api_url = "http://elsewhere:8188";
  wanted.ws_url = "ws://elsewhere:8188";
  EXPECT_EQ(await(instances().add(wanted)).status(),
            absl::AlreadyExistsError("name: \"gpu-1\" is the instance at http://gpu-1:8188; change its address, or "
                                     "choose another name"));
  wanted.name = "gpu-2";
  wanted.api_url = "http://gpu-1:8188";
  EXPECT_EQ(await(instances().add(wanted)).status(),
            absl::AlreadyExistsError("api_url: http://gpu-1:8188 is the instance \"gpu-1\"; two instances may not be "
                                     "one server"));
  wanted.name = "gpu-1";
  EXPECT_EQ(
      await(instances().add(wanted)).status(),
      absl::AlreadyExistsError("name: \"gpu-1\" exists with this api_url and is enabled; nothing is left to add"));
  add_instance("gpu-3");
  wanted.name = "gpu-3";
  EXPECT_EQ(await(instances().add(wanted)).status().message().substr(0, 5), "name:") << "the name before the URL";
  ASSERT_TRUE(await(instances().set_enabled("gpu-1", false)).ok());
  wanted.name = "gpu-2";
  EXPECT_EQ(
      await(instances().add(wanted)).status(),
      absl::AlreadyExistsError("api_url: http://gpu-1:8188 is the instance \"gpu-1\", which is disabled; add it by "
                               "this name to enable it again"));
  EXPECT_EQ(must(instances().list(false)).size(), 2u);
}

TEST_P(StoreSuite, DisabledInstancesComeBackByAddOrEnable) {
  const ports::InstanceId id = add_instance("gpu-1");
  EXPECT_FALSE(must(instances().set_enabled("gpu-1", false)).is_enabled);
  EXPECT_THAT(must(executions().acquire(bridge("bridge-1"), absl::Seconds(60), 10)), IsEmpty());
  EXPECT_EQ(add_instance("gpu-1"), id) << "the same name and URL";
  EXPECT_TRUE(must(instances().list(false)).at(0).is_enabled);
  EXPECT_FALSE(must(instances().set_enabled("gpu-1", false)).is_enabled);
  EXPECT_TRUE(must(instances().set_enabled("gpu-1", true)).is_enabled);
  connect(id);
  EXPECT_EQ(free_slots().size(), 1u) << "its slots are there once";
  EXPECT_TRUE(absl::IsNotFound(await(instances().set_enabled("gpu-9", true)).status()));
}

}  // namespace
}  // namespace renderyard::conformance
