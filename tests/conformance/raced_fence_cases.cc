// The fence under fire: two bridges take one instance from each other without pause, while movers that know only the
// epoch of their own bridge, often one that is over, move its many executions. Whoever took the lease over and then
// read a state has a right that nobody older leaves it any more; and no execution stays behind a takeover.
#include <gmock/gmock.h>

#include <array>
#include <map>

#include "libs/common/base/group.h"
#include "libs/common/base/status_macros.h"
#include "tests/conformance/store_suite.h"

namespace renderyard::conformance {
namespace {

using ports::ExecutionState;

constexpr int kPreys = 16;
constexpr int kBridges = 2;
constexpr int kMoversPerBridge = 2;

struct Move {
  ports::ExecutionId id;
  ExecutionState from;
  std::int64_t epoch;
};

struct Siege {
  explicit Siege(StoreWorld& w) : world(w) {}
  StoreWorld& world;
  base::SplitMix random{11};
  ports::InstanceId instance;
  std::map<ports::ExecutionId, ExecutionState> live;  // as last moved
  std::array<ports::Epoch, kBridges> epochs;          // of each bridge, over or not
  // The newest epoch that saw the execution in this state after its takeover was answered.
  std::map<std::pair<ports::ExecutionId, ExecutionState>, std::int64_t> seen;
  std::vector<Move> moves;
  int takeovers = 0;
  std::vector<std::string> left_behind;
};

base::Task<absl::Status> take_over_often(Siege& siege, Stores stores, int bridge) {
  ports::BridgeIdentity who;
  who.owner = "bridge-" + std::to_string(bridge);
  who.address = who.owner + ":7001";
  while (!siege.live.empty()) {
    siege.world.expire_lease(siege.instance);
    ASSIGN_OR_CO_RETURN(const auto leases, co_await stores.executions.acquire(who, absl::Seconds(60), 1));
    if (leases.empty()) continue;
    ++siege.takeovers;
    const ports::Epoch epoch = leases.front().epoch;
    siege.epochs.at(static_cast<std::size_t>(bridge)) = epoch;
    std::vector<ports::ExecutionId> none;
    ASSIGN_OR_CO_RETURN(const auto rows, co_await stores.executions.news(who.owner, std::move(none)));
    for (const auto& row : rows) {
      std::int64_t& newest = siege.seen[{row.id, row.state}];
      newest = std::max(newest, epoch.value);
      if (row.owner_epoch && row.owner_epoch->value < epoch.value) {
        siege.left_behind.push_back("execution " + to_string(row.id) + " has epoch " + to_string(*row.owner_epoch) +
                                    " after the takeover with " + to_string(epoch));
      }
    }
  }
  co_return absl::OkStatus();
}

ExecutionState after(ExecutionState state) {
  switch (state) {
    case ExecutionState::kAssigned:
      return ExecutionState::kSubmitting;
    case ExecutionState::kSubmitting:
      return ExecutionState::kQueued;
    case ExecutionState::kQueued:
      return ExecutionState::kRunning;
    case ExecutionState::kRunning:
      return ExecutionState::kCollecting;
    default:
      return ExecutionState::kFailed;
  }
}

base::Task<absl::Status> move_often(Siege& siege, Stores stores, int bridge) {
  while (!siege.live.empty()) {
    auto prey = siege.live.begin();
    std::advance(prey, static_cast<std::ptrdiff_t>(siege.random.below(siege.live.size())));
    const auto [id, from] = *prey;
    const ports::Epoch epoch = siege.epochs.at(static_cast<std::size_t>(bridge));
    bool moved = false;
    if (siege.live.size() == 1 && domain::is_final(after(from)) && siege.takeovers < kBridges) {
      // The siege lasts until each bridge has had its turn.
      ASSIGN_OR_CO_RETURN([[maybe_unused]] const auto row, co_await stores.executions.read(id));
      continue;
    }
    if (from == ExecutionState::kAssigned) {
      ASSIGN_OR_CO_RETURN(const auto started, co_await stores.executions.start(id, siege.instance, epoch, "ry"));
      moved = started.has_value();
    } else {
      ports::Advance step;
      step.id = id;
      step.epoch = epoch;
      step.from = {from};
      step.to = after(from);
      ASSIGN_OR_CO_RETURN(const auto advanced, co_await stores.executions.advance(std::move(step)));
      moved = advanced.has_value();
    }
    if (!moved) continue;  // another mover was first, or the epoch is over
    siege.moves.push_back({id, from, epoch.value});
    const ExecutionState to = after(from);
    if (domain::is_final(to)) {
      siege.live.erase(id);
    } else if (const auto known = siege.live.find(id); known != siege.live.end() && known->second == from) {
      known->second = to;
    }
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> lay_siege(Siege& siege) {
  base::Group group(siege.world.strand());
  int client = 0;
  for (int bridge = 0; bridge < kBridges; ++bridge) {
    group.spawn(take_over_often(siege, siege.world.client(client++), bridge));
    for (int mover = 0; mover < kMoversPerBridge; ++mover) {
      group.spawn(move_often(siege, siege.world.client(client++), bridge));
    }
  }
  co_return co_await group.join();
}

TEST_P(StoreSuite, RacedMovesOfManyExecutionsStopAtTheTakeover) {
  const ports::InstanceId instance = add_instance("gpu-1", kPreys);
  for (int round = 0; round < 5; ++round) {
    Siege siege(world());
    siege.instance = instance;
    for (int slot = 0; slot < kPreys; ++slot) siege.live[claim(submit(), instance, slot)] = ExecutionState::kAssigned;
    const absl::Status status = await(lay_siege(siege));
    ASSERT_TRUE(status.ok()) << status;

    EXPECT_TRUE(siege.left_behind.empty()) << siege.left_behind.front();
    std::map<std::pair<ports::ExecutionId, ExecutionState>, int> times;
    for (const Move& move : siege.moves) {
      EXPECT_EQ((++times[{move.id, move.from}]), 1) << to_string(move.id) << " left the state twice";
      const auto seen = siege.seen.find({move.id, move.from});
      if (seen == siege.seen.end()) continue;
      ASSERT_GE(move.epoch, seen->second)
          << "epoch " << seen->second << " had taken execution " << to_string(move.id) << " over in state "
          << domain::to_string(move.from) << ", and epoch " << move.epoch << " moved it on after that";
    }
    EXPECT_EQ(siege.moves.size(), static_cast<std::size_t>(kPreys) * 5);
    EXPECT_GE(siege.takeovers, kBridges);
  }
  EXPECT_EQ(unsettled().size(), static_cast<std::size_t>(kPreys) * 5);
}

}  // namespace
}  // namespace renderyard::conformance
