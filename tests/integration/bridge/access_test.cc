// The bridge and an instance behind TLS, a base path and credentials: with the right ones everything works, with wrong
// ones the instance says so and gets nothing, and whoever is not the server we mean is told nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/bridge/auth_front.h"
#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/comfy/raw_server.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;
using ports::InstanceStatus;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const AuthFront::Headers kRequired = {{"authorization", "Basic YW5uYTpodXNo"}, {"x-key", "hush"}};
const std::vector<ports::SecretHeader> kRight = {{"Authorization", "Basic YW5uYTpodXNo"}, {"X-Key", "hush"}};
const std::vector<ports::SecretHeader> kWrong = {{"Authorization", "Basic YW5uYTpodXNo"}, {"X-Key", "wrong-secret"}};

class AccessTest : public ::testing::Test {
 protected:
  ~AccessTest() override {
    lab_.reset();  // before the front it speaks to
    if (!ca_file_.empty()) std::filesystem::remove(ca_file_);
  }

  // A bridge that trusts `trusted`, before a front with `own`, both made for these names.
  void start(std::vector<ports::SecretHeader> headers, const std::string& own = "localhost", bool trusted = true) {
    const std::string certificate = make_certificate(own);
    ca_file_ = std::filesystem::temp_directory_path() / "renderyard-access-test-XXXXXX";
    const int fd = ::mkstemp(ca_file_.data());
    ASSERT_GE(fd, 0);
    ::close(fd);
    std::ofstream(ca_file_) << (trusted ? certificate : make_certificate(own));
    BridgeLab::Way way;
    way.url = [&](const std::string& server) {
      front_ = std::make_unique<AuthFront>(server, "/some/base", certificate, kRequired);
      return front_->url();
    };
    way.headers = std::move(headers);
    way.ca_file = ca_file_;
    lab_ = std::make_unique<BridgeLab>(std::vector<std::string>(), std::move(way));
  }

  bool until_reason(const std::string& text) {
    return lab_->until([&] { return lab_->instance().status_reason.value_or("").find(text) != std::string::npos; });
  }

  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    for (const AuthFront::Seen& one : front_->seen()) lines.push_back(one.line);
    return lines;
  }

  std::string ca_file_;
  std::unique_ptr<AuthFront> front_;
  std::unique_ptr<BridgeLab> lab_;
};

TEST_F(AccessTest, RightCredentialsWorkForEverythingAndNoOriginIsSent) {
  start(kRight);
  ASSERT_TRUE(lab_->until_connected());
  const auto execution = lab_->order(simple_graph(1));
  ASSERT_TRUE(lab_->until_final(execution));
  ASSERT_EQ(lab_->row(execution).state, ExecutionState::kCompleted);
  ASSERT_EQ(lab_->outputs(execution).size(), 1u);
  EXPECT_TRUE(lab_->content(lab_->outputs(execution)[0]).starts_with("\x89PNG"));
  const auto cancelled = lab_->order(slow_graph(30, 1));
  ASSERT_TRUE(lab_->until_state(cancelled, ExecutionState::kRunning));
  lab_->wish_cancel(cancelled);
  ASSERT_TRUE(lab_->until_final(cancelled));
  EXPECT_EQ(lab_->row(cancelled).state, ExecutionState::kCancelled);
  EXPECT_THAT(lines(),
              AllOf(Contains(StartsWith("GET /some/base/ws?clientId=")),
                    Contains(StartsWith("POST /some/base/prompt ")), Contains(StartsWith("GET /some/base/history/")),
                    Contains(StartsWith("GET /some/base/view?")), Contains(StartsWith("POST /some/base/api/jobs/"))));
  for (const AuthFront::Seen& one : front_->seen()) {
    for (const auto& [name, value] : kRequired) {
      ASSERT_TRUE(one.headers.contains(name)) << one.line;
      EXPECT_EQ(one.headers.at(name), value) << one.line;
    }
    EXPECT_FALSE(one.headers.contains("origin")) << one.line;
  }
}

TEST_F(AccessTest, WhatTheServerHasIsReadAfterTheConnection) {
  start(kRight);
  ASSERT_TRUE(lab_->until_connected());
  ASSERT_TRUE(lab_->until([&] { return lab_->capabilities().has_value(); }));
  const domain::Capabilities& has = lab_->capabilities()->what;
  EXPECT_THAT(has.node_classes, AllOf(Contains("SaveImage"), Contains("KSampler"), Contains("BridgeSlow")));
  EXPECT_TRUE(has.model_inputs.contains("CheckpointLoaderSimple.ckpt_name"));
  EXPECT_TRUE(has.complete);
  EXPECT_FALSE(has.devices.empty());
}

TEST_F(AccessTest, WrongCredentialsAreNamedUntilTheyAreChanged) {
  start(kWrong);
  ASSERT_TRUE(until_reason("misconfigured"));
  EXPECT_EQ(lab_->instance().status, InstanceStatus::kReconnecting) << "it gets no work";
  EXPECT_THAT(*lab_->instance().status_reason, AllOf(HasSubstr("401"), Not(HasSubstr("wrong-secret"))));
  ports::InstanceChange change;
  change.headers = kRight;
  lab_->change(std::move(change));
  ASSERT_TRUE(lab_->until_connected());
  EXPECT_FALSE(lab_->instance().status_reason);
  const auto execution = lab_->order(simple_graph(1));
  ASSERT_TRUE(lab_->until_final(execution));
  EXPECT_EQ(lab_->row(execution).state, ExecutionState::kCompleted);
}

TEST_F(AccessTest, CredentialsThatStopWorkingCostNoJob) {
  start(kRight);
  ASSERT_TRUE(lab_->until_connected());
  front_->require({{"x-key", "changed"}});
  const auto execution = lab_->order(simple_graph(1));
  ASSERT_TRUE(lab_->until_final(execution));
  EXPECT_EQ(lab_->row(execution).state, ExecutionState::kNotAccepted);
  EXPECT_EQ(lab_->ledger("post"), 0);
  ASSERT_TRUE(until_reason("misconfigured"));
  ports::InstanceChange change;
  change.headers = std::vector<ports::SecretHeader>{{"X-Key", "changed"}};
  lab_->change(std::move(change));
  ASSERT_TRUE(lab_->until_connected());
}

TEST_F(AccessTest, NewCredentialsThatAreWrongShowOnAnOpenConnection) {
  start(kRight);
  ASSERT_TRUE(lab_->until_connected());
  ports::InstanceChange change;
  change.headers = kWrong;
  lab_->change(std::move(change));
  EXPECT_TRUE(until_reason("misconfigured"));
}

TEST_F(AccessTest, NewCredentialsThatAreRightCostNoMessage) {
  start(kRight);
  ASSERT_TRUE(lab_->until_connected());
  const auto execution = lab_->order(slow_graph(1.0, 1));
  ASSERT_TRUE(lab_->until_state(execution, ExecutionState::kRunning));
  ports::InstanceChange change;
  change.headers = kRight;
  change.headers->push_back({"X-More", "1"});
  lab_->change(std::move(change));
  ASSERT_TRUE(lab_->until([&] { return front_->seen().back().headers.contains("x-more"); }));
  ASSERT_TRUE(lab_->until_final(execution));
  EXPECT_EQ(lab_->row(execution).state, ExecutionState::kCompleted);
  EXPECT_EQ(lab_->count_in_journal("comfyui_websocket_connected"), 1);
}

TEST_F(AccessTest, AServerOfAnotherAuthorityIsToldNothing) {
  start(kRight, "localhost", false);
  ASSERT_TRUE(until_reason("certificate"));
  EXPECT_EQ(lab_->instance().status, InstanceStatus::kReconnecting);
  EXPECT_GE(front_->connections(), 2);
  EXPECT_THAT(lines(), IsEmpty()) << "not a byte after the handshake";
}

TEST_F(AccessTest, AServerOfAnotherNameIsToldNothing) {
  start(kRight, "example.test");
  ASSERT_TRUE(until_reason("certificate"));
  EXPECT_EQ(lab_->instance().status, InstanceStatus::kReconnecting);
  EXPECT_GE(front_->connections(), 2);
  EXPECT_THAT(lines(), IsEmpty()) << "not a byte after the handshake";
}

}  // namespace
}  // namespace renderyard::testing
