// Instances that are changed while work lives on them: the bridge notices without a hint, and costs no execution.
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;
using ports::InstanceStatus;

TEST(InstancesTest, AMovedInstanceIsFollowedWhereItWasAndWorksWhereItIs) {
  SimProcess other;
  BridgeLab lab({});
  ASSERT_TRUE(lab.until_connected());
  const auto before = lab.order(slow_graph(2.0, 1));
  ASSERT_TRUE(lab.until_state(before, ExecutionState::kRunning));
  ports::InstanceChange change;
  change.api_url = other.url();
  change.ws_url = "ws" + other.url().substr(4);
  lab.change(change);
  ASSERT_TRUE(lab.until_connected());
  EXPECT_EQ(lab.row(before).state, ExecutionState::kRunning) << "it need not end before";
  const auto after = lab.order(simple_graph(1));
  ASSERT_NE(lab.row(after).instance_id, lab.row(before).instance_id);
  ASSERT_TRUE(lab.until_final(after));
  EXPECT_EQ(lab.row(after).state, ExecutionState::kCompleted);
  ASSERT_TRUE(lab.until_final(before));
  EXPECT_EQ(lab.row(before).state, ExecutionState::kCompleted);
  EXPECT_EQ(lab.outputs(before).size(), 1u);
  EXPECT_EQ(lab.ledger("post"), 1) << "at the first server";
  ASSERT_TRUE(lab.until([&] { return lab.count_in_journal("worker_ended") == 1; })) << "nothing is left there";
}

TEST(InstancesTest, ARemovedInstanceIsFollowedByTheNextBridgeToo) {
  BridgeLab lab({});
  ASSERT_TRUE(lab.until_connected());
  const auto execution = lab.order(slow_graph(2.0, 1));
  ASSERT_TRUE(lab.until_state(execution, ExecutionState::kRunning));
  lab.remove();
  lab.kill_bridge();
  lab.start_bridge();
  ASSERT_TRUE(lab.until_final(execution));
  EXPECT_EQ(lab.row(execution).state, ExecutionState::kCompleted);
  ASSERT_TRUE(lab.until([&] { return lab.instance().status == InstanceStatus::kDisabled; }));
}

TEST(InstancesTest, TheFilesOfUsersKeepTheirNamesWhereTheOperatorSaysSo) {
  BridgeLab lab({});
  ASSERT_TRUE(lab.until_connected());
  const auto with = lab.order(simple_graph(1));
  ASSERT_TRUE(lab.until_final(with));
  ports::InstanceChange change;
  change.unique_prefix = false;
  lab.change(change);
  ASSERT_TRUE(lab.until([&] { return lab.count_in_journal("instance_changed") == 1; }));
  const auto without = lab.order(simple_graph(2));
  ASSERT_TRUE(lab.until_final(without));
  ASSERT_EQ(lab.outputs(with).size(), 1u);
  ASSERT_EQ(lab.outputs(without).size(), 1u);
  EXPECT_NE(lab.http("/view?type=output&filename=" + lab.outputs(without)[0].filename), "");
}

}  // namespace
}  // namespace renderyard::testing
