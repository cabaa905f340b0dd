// Cases of what operators change of an instance while work lives on it.
#include <gmock/gmock.h>

#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::ExecutionState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ports::InstanceChange slots(int count) {
  ports::InstanceChange change;
  change.slots = count;
  return change;
}

ports::InstanceChange address(const std::string& host) {
  ports::InstanceChange change;
  change.api_url = "http://" + host + ":8188";
  change.ws_url = "ws://" + host + ":8188";
  return change;
}

ports::InstanceChange access(std::vector<ports::SecretHeader> headers) {
  ports::InstanceChange change;
  change.headers = std::move(headers);
  return change;
}

TEST_P(StoreSuite, WhatIsNotChangedStays) {
  ports::NewInstance wanted;
  wanted.name = "gpu-1";
  wanted.api_url = "http://gpu-1:8188";
  wanted.ws_url = "ws://gpu-1:8188";
  wanted.behind_proxy = true;
  wanted.unique_prefix = false;
  wanted.headers = {{"X-Two", "2"}, {"Authorization", "Bearer one"}};
  const auto added = must(instances().add(wanted));
  EXPECT_TRUE(added.behind_proxy);
  EXPECT_FALSE(added.unique_prefix);
  EXPECT_FALSE(added.shared_instance);
  EXPECT_FALSE(added.is_draining);
  EXPECT_TRUE(added.has_access);
  EXPECT_THAT(added.header_names, ElementsAre("Authorization", "X-Two"));
  ports::InstanceChange change;
  change.shared_instance = true;
  const auto changed = must(instances().change("gpu-1", change));
  EXPECT_EQ(changed.id, added.id);
  EXPECT_TRUE(changed.shared_instance);
  EXPECT_TRUE(changed.behind_proxy);
  EXPECT_FALSE(changed.unique_prefix);
  EXPECT_EQ(changed.slots, 1);
  EXPECT_GT(changed.config_version, added.config_version);
  EXPECT_THAT(must(executions().access(added.id)),
              ElementsAre(ports::SecretHeader{"Authorization", "Bearer one"}, ports::SecretHeader{"X-Two", "2"}));
  EXPECT_TRUE(must(instances().get("gpu-1")).shared_instance);
  EXPECT_TRUE(absl::IsNotFound(await(instances().get("gpu-9")).status()));
  EXPECT_TRUE(absl::IsNotFound(await(instances().change("gpu-9", change)).status()));
}

TEST_P(StoreSuite, TheAccessIsReplacedAsAWhole) {
  const ports::InstanceId id = add_instance("gpu-1");
  EXPECT_THAT(must(executions().access(id)), IsEmpty());
  must(instances().change("gpu-1", access({{"X-One", "1"}, {"X-Two", "2"}})));
  const auto changed = must(instances().change("gpu-1", access({{"X-Three", ""}})));
  EXPECT_THAT(changed.header_names, ElementsAre("X-Three"));
  EXPECT_THAT(must(executions().access(id)), ElementsAre(ports::SecretHeader{"X-Three", ""}));
  const auto none = must(instances().change("gpu-1", access({})));
  EXPECT_FALSE(none.has_access);
  EXPECT_THAT(none.header_names, IsEmpty());
  EXPECT_THAT(must(executions().access(id)), IsEmpty());
}

TEST_P(StoreSuite, SlotsGrowAtOnceAndShrinkWhenTheyAreFree) {
  const ports::InstanceId id = add_instance("gpu-1");
  const ports::Lease lease = connect(id);
  EXPECT_THAT(free_slots(), ElementsAre("1/0"));
  must(instances().change("gpu-1", slots(3)));
  EXPECT_THAT(free_slots(), ElementsAre("1/0", "1/1", "1/2"));
  const auto on_two = claim(submit(), id, 2);
  must(instances().change("gpu-1", slots(1)));
  EXPECT_THAT(free_slots(), ElementsAre("1/0")) << "1 is gone, 2 is in use";
  const auto refused = must(dispatch().claim({assignment(submit(), id, 1)}, "dispatcher-1"));
  EXPECT_THAT(refused, IsEmpty());
  ASSERT_TRUE(start(on_two, lease)) << "what lives there goes on";
  end(on_two, lease, ExecutionState::kFailed);
  EXPECT_THAT(free_slots(), ElementsAre("1/0")) << "free, and too many";
  EXPECT_THAT(must(dispatch().claim({assignment(submit(), id, 2)}, "dispatcher-1")), IsEmpty());
  std::vector<ports::Lease> leases{lease};
  EXPECT_THAT(must(executions().renew(bridge("bridge-1"), leases, absl::Seconds(60))), ElementsAre(id));
  must(instances().change("gpu-1", slots(3)));
  EXPECT_THAT(free_slots(), ElementsAre("1/0", "1/1", "1/2"));
}

// One prompt could write over another's file before that is copied.
TEST_P(StoreSuite, WhereNamesOfFilesAreCommonThereIsTheFirstSlotAlone) {
  const ports::InstanceId id = add_instance("gpu-1", 3);
  const ports::Lease lease = connect(id);
  ports::InstanceChange common;
  common.unique_prefix = false;
  must(instances().change("gpu-1", common));
  EXPECT_THAT(free_slots(), ElementsAre("1/0"));
  EXPECT_THAT(must(dispatch().claim({assignment(submit(), id, 1)}, "dispatcher-1")), IsEmpty());
  claim(submit(), id, 0);
  EXPECT_THAT(free_slots(), IsEmpty());
  common.unique_prefix = true;
  must(instances().change("gpu-1", common));
  EXPECT_THAT(free_slots(), ElementsAre("1/1", "1/2"));
}

TEST_P(StoreSuite, ADrainingInstanceGetsNothingAndEndsWhatItHas) {
  const ports::InstanceId id = add_instance("gpu-1", 2);
  const ports::Lease lease = connect(id);
  const auto execution = claim(submit(), id, 0);
  const auto draining = must(instances().set_draining("gpu-1", true));
  EXPECT_TRUE(draining.is_draining);
  EXPECT_EQ(draining.live_executions, 1);
  EXPECT_THAT(free_slots(), IsEmpty());
  const auto fleet = must(dispatch().fleet());
  EXPECT_EQ(fleet.instances_enabled, 0);
  EXPECT_EQ(fleet.instances_usable, 0);
  // A dispatcher that saw the slot free before.
  EXPECT_THAT(must(dispatch().claim({assignment(submit(), id, 1)}, "dispatcher-1")), IsEmpty());
  std::vector<ports::Lease> leases{lease};
  EXPECT_THAT(must(executions().renew(bridge("bridge-1"), leases, absl::Seconds(60))), ElementsAre(id))
      << "it stays connected";
  ASSERT_TRUE(start(execution, lease));
  advance(execution, lease, ExecutionState::kRunning);
  EXPECT_FALSE(must(instances().set_draining("gpu-1", false)).is_draining);
  EXPECT_THAT(free_slots(), ElementsAre("1/1"));
  EXPECT_TRUE(absl::IsNotFound(await(instances().set_draining("gpu-9", true)).status()));
}

TEST_P(StoreSuite, ADisabledInstanceIsNotClaimedEither) {
  const ports::InstanceId id = add_instance("gpu-1");
  connect(id);
  const ports::Assignment wanted = assignment(submit(), id);
  ASSERT_TRUE(await(instances().set_enabled("gpu-1", false)).ok());
  EXPECT_THAT(must(dispatch().claim({wanted}, "dispatcher-1")), IsEmpty());
}

TEST_P(StoreSuite, ARemovedInstanceIsFollowedToTheEndOfItsExecutions) {
  const ports::InstanceId id = add_instance("gpu-1", 2);
  must(instances().change("gpu-1", access({{"X-Key", "secret"}})));
  ports::Lease lease = connect(id);
  const auto execution = claim(submit(), id);
  ASSERT_TRUE(start(execution, lease));
  const auto removed = must(instances().remove("gpu-1"));
  EXPECT_TRUE(removed.removed_at.has_value());
  EXPECT_EQ(removed.live_executions, 1);
  EXPECT_TRUE(absl::IsNotFound(await(instances().remove("gpu-1")).status()));
  EXPECT_TRUE(absl::IsNotFound(await(instances().get("gpu-1")).status()));
  EXPECT_THAT(must(instances().list(false)), IsEmpty());
  ASSERT_EQ(must(instances().list(true)).size(), 1u);
  EXPECT_THAT(free_slots(), IsEmpty());
  EXPECT_THAT(must(dispatch().claim({assignment(submit(), id, 1)}, "dispatcher-1")), IsEmpty());
  // Its bridge dies: the next one takes over, with the credentials.
  world().expire_lease(id);
  lease = acquire(id, "bridge-2");
  EXPECT_THAT(must(executions().access(id)), ElementsAre(ports::SecretHeader{"X-Key", "secret"}));
  std::vector<ports::Lease> leases{lease};
  EXPECT_THAT(must(executions().renew(bridge("bridge-2"), leases, absl::Seconds(60))), ElementsAre(id));
  advance(execution, lease, ExecutionState::kCollecting);
  ASSERT_TRUE(complete(execution, lease));
  ASSERT_TRUE(await(executions().release(leases)).ok());
  EXPECT_THAT(must(executions().access(id)), IsEmpty()) << "nobody needs them any more";
  EXPECT_THAT(must(instances().list(true)), IsEmpty());
  EXPECT_EQ(this->execution(execution).state, ExecutionState::kCompleted) << "what it did stays on record";
}

TEST_P(StoreSuite, AnEmptyInstanceIsRemovedAtOnceWithItsCredentials) {
  const ports::InstanceId id = add_instance("gpu-1");
  must(instances().change("gpu-1", access({{"X-Key", "secret"}})));
  EXPECT_FALSE(must(instances().remove("gpu-1")).has_access);
  EXPECT_THAT(must(executions().access(id)), IsEmpty());
  EXPECT_THAT(must(executions().acquire(bridge("bridge-1"), absl::Seconds(60), 10)), IsEmpty());
  EXPECT_NE(add_instance("gpu-1"), id) << "name and URL are free";
}

TEST_P(StoreSuite, AnotherAddressIsAnotherInstanceUnderTheSameName) {
  const ports::InstanceId old = add_instance("gpu-1", 2);
  ports::InstanceChange settings;
  settings.behind_proxy = true;
  must(instances().change("gpu-1", settings));
  const ports::Lease lease = connect(old);
  const auto execution = claim(submit(), old);
  ASSERT_TRUE(start(execution, lease));
  ports::InstanceChange change = address("new");
  change.shared_instance = true;
  const auto moved = must(instances().change("gpu-1", change));
  EXPECT_NE(moved.id, old);
  EXPECT_EQ(moved.name, "gpu-1");
  EXPECT_EQ(moved.api_url, "http://new:8188");
  EXPECT_EQ(moved.ws_url, "ws://new:8188");
  EXPECT_EQ(moved.slots, 2);
  EXPECT_TRUE(moved.behind_proxy);
  EXPECT_TRUE(moved.shared_instance);
  EXPECT_EQ(moved.status, ports::InstanceStatus::kDisconnected);
  EXPECT_EQ(moved.live_executions, 0);
  connect(moved.id);
  EXPECT_EQ(free_slots().size(), 2u);
  const auto all = must(instances().list(true));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].id, old);
  EXPECT_TRUE(all[0].removed_at.has_value());
  EXPECT_EQ(all[0].live_executions, 1);
  advance(execution, lease, ExecutionState::kCollecting);
  EXPECT_TRUE(complete(execution, lease)) << "its owner is the one it was";
}

TEST_P(StoreSuite, TheSameAddressAgainIsNoMove) {
  const ports::InstanceId id = add_instance("gpu-1");
  EXPECT_EQ(must(instances().change("gpu-1", address("gpu-1"))).id, id);
}

TEST_P(StoreSuite, AnAddressInUseOrStillFollowedIsRefusedAndNothingChanges) {
  const ports::InstanceId first = add_instance("gpu-1");
  add_instance("gpu-2");
  ports::InstanceChange change = address("gpu-2");
  change.slots = 4;
  EXPECT_EQ(await(instances().change("gpu-1", change)).status(),
            absl::AlreadyExistsError("api_url: http://gpu-2:8188 is the instance \"gpu-2\"; two instances may not be "
                                     "one server"));
  EXPECT_EQ(must(instances().get("gpu-1")).slots, 1);
  EXPECT_EQ(must(instances().get("gpu-1")).id, first);
  const ports::Lease lease = connect(first);
  const auto execution = claim(submit(), first);
  ASSERT_TRUE(start(execution, lease));
  must(instances().remove("gpu-1"));
  EXPECT_EQ(await(instances().change("gpu-2", address("gpu-1"))).status(), ports::still_followed("http://gpu-1:8188"));
  ports::NewInstance again;
  again.name = "gpu-1";
  again.api_url = "http://gpu-1:8188";
  again.ws_url = "ws://gpu-1:8188";
  EXPECT_EQ(await(instances().add(again)).status(), ports::still_followed("http://gpu-1:8188"));
  end(execution, lease, ExecutionState::kFailed);
  EXPECT_TRUE(await(instances().add(again)).ok());
}

TEST_P(StoreSuite, CredentialsAreNotCarriedOverToAnotherAddress) {
  const ports::InstanceId id = add_instance("gpu-1");
  must(instances().change("gpu-1", access({{"X-Key", "secret"}})));
  EXPECT_EQ(await(instances().change("gpu-1", address("new"))).status(), ports::access_is_not_carried_over());
  EXPECT_EQ(must(instances().get("gpu-1")).id, id);
  ports::InstanceChange change = address("new");
  change.headers = std::vector<ports::SecretHeader>{{"X-Key", "other"}};
  const auto moved = must(instances().change("gpu-1", change));
  EXPECT_THAT(must(executions().access(moved.id)), ElementsAre(ports::SecretHeader{"X-Key", "other"}));
  EXPECT_THAT(must(executions().access(id)), IsEmpty()) << "nothing lives there";
  ports::InstanceChange bare = address("third");
  bare.headers.emplace();
  EXPECT_FALSE(must(instances().change("gpu-1", bare)).has_access);
}

TEST_P(StoreSuite, CapabilitiesAreOfTheLeaseHolderAndReadBackAsTheyWere) {
  const ports::InstanceId id = add_instance("gpu-1");
  EXPECT_FALSE(must(instances().capabilities(id)));
  const ports::Lease old = acquire(id);
  domain::Capabilities has;
  has.node_classes = {"A", "B \"quoted\""};
  has.model_inputs = {{"A.one", 0}, {"A.two", 1}, {"B.one", 0}};
  has.model_lists = {{"x.safetensors", "\xc3\xa4.pt"}, {}};
  has.complete = false;
  has.comfyui_version = "0.33.0";
  has.devices = {{"cuda:0", "cuda", 25757220864}};
  EXPECT_TRUE(must(executions().set_capabilities(id, old.epoch, has)));
  auto known = must(instances().capabilities(id));
  ASSERT_TRUE(known);
  EXPECT_EQ(known->what, has);
  EXPECT_EQ(known->digest, domain::digest_of(has));
  const absl::Time first = known->read_at;
  EXPECT_TRUE(must(executions().set_capabilities(id, old.epoch, has)));
  known = must(instances().capabilities(id));
  EXPECT_GE(known->read_at, first);
  EXPECT_EQ(known->what, has);
  world().expire_lease(id);
  const ports::Lease lease = acquire(id, "bridge-2");
  domain::Capabilities less;
  less.node_classes = {"A"};
  EXPECT_FALSE(must(executions().set_capabilities(id, old.epoch, less))) << "from the past";
  EXPECT_FALSE(must(executions().set_capabilities(id, old.epoch, has))) << "not even when";
  EXPECT_EQ(must(instances().capabilities(id))->what, has);
  EXPECT_TRUE(must(executions().set_capabilities(id, lease.epoch, less)));
  EXPECT_EQ(must(instances().capabilities(id))->what, less);
}

}  // namespace
}  // namespace renderyard::conformance
