// How executions that were taken over end is counted.
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;

class AdoptionsTest : public ::testing::TestWithParam<const char*> {
 protected:
  // It runs, and nobody listens.
  ports::ExecutionId alone(const std::string& graph) {
    EXPECT_TRUE(lab_.until_connected());
    const auto execution = lab_.order(graph);
    EXPECT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
    lab_.kill_bridge();
    return execution;
  }
  void adopt(ports::ExecutionId execution, ExecutionState end) {
    lab_.start_bridge();
    ASSERT_TRUE(lab_.until_final(execution));
    EXPECT_EQ(lab_.row(execution).state, end);
  }
  // Of all executions so far.
  void expect_outcomes(double completed, double failed, double lost, double cancelled) {
    const double all = completed + failed + lost + cancelled;
    ASSERT_TRUE(lab_.until([&] { return lab_.metric("adoption_outcomes_total") == all; }));
    EXPECT_EQ(lab_.metric("adoptions_total"), all);
    EXPECT_EQ(outcome("completed"), completed);
    EXPECT_EQ(outcome("failed"), failed);
    EXPECT_EQ(outcome("lost"), lost);
    EXPECT_EQ(outcome("cancelled"), cancelled);
  }
  double outcome(const std::string& name) const {
    return lab_.metric(R"(adoption_outcomes_total{outcome=")" + name + "\"}");
  }

  BridgeLab lab_{{"--generation", GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Releases, AdoptionsTest, ::testing::Values("2024-06-30", "0.33.0"),
                         [](const auto& param) { return std::string(param.param) == "0.33.0" ? "Newest" : "Oldest"; });

TEST_P(AdoptionsTest, AreCountedByTheirEnds) {
  adopt(alone(slow_graph(1.0, 1)), ExecutionState::kCompleted);
  expect_outcomes(1, 0, 0, 0);

  adopt(alone("{" + pictures(1, 7) + "," + slow_node(1.0, 2) + "," +
              node(4, "BridgeFail", R"("image":["2",0],"message":"no luck")") + "," +
              node(3, "SaveImage", R"("images":["4",0],"filename_prefix":"s")") + "}"),
        ExecutionState::kFailed);
  expect_outcomes(1, 1, 0, 0);

  const auto forgotten = alone(slow_graph(30, 3));
  lab_.fault(R"({"fault":"forget"})");
  adopt(forgotten, ExecutionState::kLost);
  expect_outcomes(1, 1, 1, 0);

  const auto cancelled = alone(slow_graph(30, 4));
  lab_.wish_cancel(cancelled);
  adopt(cancelled, ExecutionState::kCancelled);
  expect_outcomes(1, 1, 1, 1);

  // An execution of its own is nobody's inheritance.
  const auto own = lab_.order(simple_graph(5));
  ASSERT_TRUE(lab_.until_final(own));
  ASSERT_TRUE(lab_.until([&] { return lab_.metric("executions_total") == 5; }));
  expect_outcomes(1, 1, 1, 1);
}

}  // namespace
}  // namespace renderyard::testing
