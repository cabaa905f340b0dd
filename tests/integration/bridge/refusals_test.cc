// Servers that answer everything but POST /prompt: a job that was not accepted there waits again, and the instance is
// held out for longer with each refusal, however well it answers GETs; what it had accepted before goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/meddler.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;
using ports::InstanceStatus;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::Duration kHold = absl::Seconds(1);

struct RefusalCase {
  int status = 0;
  std::string proof;
  std::string reason;  // of the instance, its beginning

  friend std::ostream& operator<<(std::ostream& os, const RefusalCase& c) { return os << c.status; }
};

class RefusalsTest : public ::testing::TestWithParam<RefusalCase> {
 protected:
  // Of all POSTs of prompts, from now on; 0 = none is refused.
  void refuse(int status) { refused_with_ = status; }
  [[nodiscard]] bool until_held_out() {
    return lab_.until([&] { return lab_.instance().status == InstanceStatus::kReconnecting; });
  }
  [[nodiscard]] bool until_final(ports::ExecutionId execution) {
    return lab_.until([&] { return domain::is_final(lab_.row(execution).state); }, absl::Seconds(40));
  }
  // It is refused; since when the instance is held out for that.
  absl::Time refused() {
    const auto execution = lab_.order(simple_graph(++salt_));
    EXPECT_TRUE(until_final(execution));
    EXPECT_EQ(lab_.row(execution).state, ExecutionState::kNotAccepted);
    EXPECT_EQ(lab_.row(execution).outcome_proof, GetParam().proof);
    EXPECT_TRUE(until_held_out());
    const absl::Time since = absl::Now();
    EXPECT_THAT(lab_.instance().status_reason.value_or(""), StartsWith(GetParam().reason));
    EXPECT_EQ(lab_.free_slots(), 0u) << "it gets no work";
    return since;
  }
  void expect_that_it_works() {
    const auto execution = lab_.order(simple_graph(++salt_));
    ASSERT_TRUE(until_final(execution));
    EXPECT_EQ(lab_.row(execution).state, ExecutionState::kCompleted);
  }

  int salt_ = 0;
  std::atomic<int> refused_with_{0};
  std::unique_ptr<Meddler> front_;
  BridgeLab lab_{{},
                 BridgeLab::Way{.url =
                                    [this](const std::string& server) {
                                      front_ = std::make_unique<Meddler>(server);
                                      front_->answer_instead([this](const Meddler::Request& request) {
                                        std::optional<Meddler::Answer> answer;
                                        if (refused_with_ == 0 || request.target != "/prompt") return answer;
                                        answer.emplace();
                                        answer->status = refused_with_;
                                        answer->body = "a proxy's page";
                                        return answer;
                                      });
                                      return front_->url();
                                    },
                                .settings =
                                    [](bridge::Config& config) {
                                      config.refusal_hold = kHold;
                                      config.unclear_look_every = absl::Milliseconds(500);
                                    }}};
};

INSTANTIATE_TEST_SUITE_P(Answers, RefusalsTest,
                         ::testing::Values(RefusalCase{403, "answered_403", "misconfigured: POST /prompt"},
                                           RefusalCase{404, "answered_404", "misconfigured: POST /prompt"},
                                           RefusalCase{503, "absent_strong", "POST /prompt"}),
                         [](const auto& param) { return std::to_string(param.param.status); });

TEST_P(RefusalsTest, HoldTheInstanceOutForLongerEachTime) {
  ASSERT_TRUE(lab_.until_connected());
  expect_that_it_works();
  refuse(GetParam().status);
  absl::Duration hold = kHold;
  for (int n = 0; n < 2; ++n) {
    SCOPED_TRACE(n);
    const absl::Time since = refused();
    ASSERT_TRUE(lab_.until_connected());
    // The lab looks now and then only.
    EXPECT_GE(absl::Now() - since, hold - absl::Milliseconds(200)) << "what answers GETs is not fit for that";
    hold *= 2;
  }
  EXPECT_EQ(lab_.ledger("post"), 1);
  EXPECT_EQ(lab_.count_in_journal("comfyui_websocket_connected"), 1) << "the socket was not to blame";

  // An accepted prompt sets the count back.
  refuse(0);
  expect_that_it_works();
  refuse(GetParam().status);
  const absl::Time since = refused();
  ASSERT_TRUE(lab_.until_connected());
  EXPECT_LT(absl::Now() - since, hold);
}

TEST_P(RefusalsTest, WhatWasAcceptedBeforeGoesOnAndCanBeCancelled) {
  ports::InstanceChange change;
  change.slots = 3;
  lab_.change(std::move(change));
  ASSERT_TRUE(lab_.until_connected());
  const auto running = lab_.order(slow_graph(GetParam().status == 503 ? 15 : 3, ++salt_));
  ASSERT_TRUE(lab_.until_state(running, ExecutionState::kRunning));
  const auto waiting = lab_.order(slow_graph(60, ++salt_));
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("accepted", waiting) == 1; }));
  refuse(GetParam().status);
  refused();
  lab_.wish_cancel(waiting);
  ASSERT_TRUE(until_final(waiting));
  EXPECT_EQ(lab_.row(waiting).state, ExecutionState::kCancelled);
  ASSERT_TRUE(until_final(running));
  EXPECT_EQ(lab_.row(running).state, ExecutionState::kCompleted);
  EXPECT_EQ(lab_.outputs(running).size(), 1u);
}

}  // namespace
}  // namespace renderyard::testing
