// The machines, state × state × owner, against a list written down from the prose of DESIGN (not from the tables).
#include "libs/common/domain/machines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>

namespace renderyard::domain {
namespace {

constexpr std::array kOwners = {Owner::kGateway, Owner::kDispatcher, Owner::kBridge, Owner::kOperator};

std::string name_of(Owner owner) {
  switch (owner) {
    case Owner::kGateway:
      return "gateway";
    case Owner::kDispatcher:
      return "dispatcher";
    case Owner::kBridge:
      return "bridge";
    case Owner::kOperator:
      return "operator";
  }
  return "";
}

template <class States, class Names>
void expect_exactly(const States& states, const Names& expected) {
  std::set<std::string> found;
  for (const auto from : states) {
    for (const auto to : states) {
      for (const Owner owner : kOwners) {
        if (!allowed(from, to, owner)) continue;
        found.insert(std::string(to_string(from)) + " > " + std::string(to_string(to)) + " by " + name_of(owner));
      }
    }
  }
  for (const auto& edge : expected) EXPECT_TRUE(found.contains(edge)) << "missing: " << edge;
  for (const auto& edge : found) EXPECT_TRUE(expected.contains(edge)) << "not wanted: " << edge;
}

TEST(JobMachineTest, HasExactlyTheseEdges) {
  expect_exactly(kJobStatuses, std::set<std::string>{
                                   "pending > running by dispatcher",
                                   "pending > cancelled by dispatcher",
                                   "pending > failed by dispatcher",
                                   "running > completed by dispatcher",
                                   "running > failed by dispatcher",
                                   "running > cancelled by dispatcher",
                               });
}

TEST(ExecutionMachineTest, HasExactlyTheseEdges) {
  expect_exactly(kExecutionStates, std::set<std::string>{
                                       "assigned > withdrawn by dispatcher",  "assigned > submitting by bridge",
                                       "submitting > not_accepted by bridge", "submitting > queued by bridge",
                                       "submitting > running by bridge",      "submitting > collecting by bridge",
                                       "submitting > failed by bridge",       "submitting > cancelled by bridge",
                                       "submitting > lost by bridge",         "queued > running by bridge",
                                       "queued > collecting by bridge",       "queued > failed by bridge",
                                       "queued > cancelled by bridge",        "queued > lost by bridge",
                                       "running > collecting by bridge",      "running > failed by bridge",
                                       "running > cancelled by bridge",       "running > lost by bridge",
                                       "queued > completed by bridge",        "running > completed by bridge",
                                       "collecting > completed by bridge",    "collecting > failed by bridge",
                                       "assigned > withdrawn by operator",    "submitting > failed by operator",
                                       "queued > failed by operator",         "running > failed by operator",
                                       "collecting > failed by operator",
                                   });
}

template <class States>
void expect_finals_are_ends(const States& states) {
  for (const auto from : states) {
    bool leaves = false;
    for (const auto to : states) {
      for (const Owner owner : kOwners) leaves = leaves || allowed(from, to, owner);
    }
    if (is_final(from)) {
      EXPECT_FALSE(leaves) << to_string(from) << " is final";
    } else if (to_string(from) != "retrying") {
      EXPECT_TRUE(leaves) << to_string(from) << " is a dead end";
    }
  }
}

TEST(MachinesTest, FinalStatesAreLeftByNoEdgeAndAllOthersAre) {
  expect_finals_are_ends(kJobStatuses);
  expect_finals_are_ends(kExecutionStates);
}

TEST(MachinesTest, NoEdgeLeadsToRetrying) {
  for (const JobStatus from : kJobStatuses) {
    for (const Owner owner : kOwners) EXPECT_FALSE(allowed(from, JobStatus::kRetrying, owner));
  }
}

// The operator beside it is fenced by the execution's expected state, like every service.
TEST(MachinesTest, EveryEdgeHasOneServiceAsOwner) {
  const auto edges = execution_edges();
  for (const auto& edge : edges) {
    const auto same = std::count_if(edges.begin(), edges.end(), [&](const auto& e) {
      return e.from == edge.from && e.to == edge.to && e.owner != Owner::kOperator;
    });
    EXPECT_EQ(same, 1) << to_string(edge.from) << " > " << to_string(edge.to);
  }
}

// Once given back, a slot belongs to another execution: no way leads from a state without one to a state with one.
TEST(MachinesTest, ASlotIsNeverTakenBack) {
  for (const auto& edge : execution_edges()) {
    EXPECT_TRUE(holds_slot(edge.from) || !holds_slot(edge.to)) << to_string(edge.from) << " > " << to_string(edge.to);
  }
  std::set<std::string_view> holding;
  for (const ExecutionState state : kExecutionStates) {
    if (holds_slot(state)) holding.insert(to_string(state));
  }
  EXPECT_EQ(holding, (std::set<std::string_view>{"assigned", "submitting", "queued", "running"}));
}

template <class States, class From>
void expect_names_round_trip(const States& states, From from_name) {
  std::set<std::string_view> names;
  for (const auto state : states) {
    EXPECT_EQ(from_name(to_string(state)), state);
    names.insert(to_string(state));
  }
  EXPECT_EQ(names.size(), states.size());
  EXPECT_FALSE(from_name("unknown"));
  EXPECT_FALSE(from_name(""));
}

TEST(StatesTest, NamesRoundTrip) {
  expect_names_round_trip(kJobStatuses, job_status_from);
  expect_names_round_trip(kExecutionStates, execution_state_from);
  expect_names_round_trip(kInstanceStatuses, instance_status_from);
}

TEST(StatesTest, JobStatusNumbersAreThoseOfTheTable) {
  EXPECT_EQ(static_cast<int>(JobStatus::kPending), 1);
  EXPECT_EQ(static_cast<int>(JobStatus::kRunning), 2);
  EXPECT_EQ(static_cast<int>(JobStatus::kCompleted), 3);
  EXPECT_EQ(static_cast<int>(JobStatus::kFailed), 4);
  EXPECT_EQ(static_cast<int>(JobStatus::kCancelled), 5);
  EXPECT_EQ(static_cast<int>(JobStatus::kRetrying), 6);
}

}  // namespace
}  // namespace renderyard::domain
