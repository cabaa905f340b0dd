// Frames that are no message, messages nobody knows, and messages that are not true: counted, and a job goes its way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/ledger_files.h"
#include "tests/integration/bridge/meddler.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;

constexpr int kText = 1;
constexpr int kBinary = 2;

struct Frame {
  int opcode = kText;
  std::string payload;
};

std::string bytes(std::initializer_list<unsigned> values) {
  std::string out;
  for (const unsigned value : values) out += static_cast<char>(value);
  return out;
}

std::vector<Frame> unreadable_frames() {
  return {{kText, "not JSON"},
          {kText, ""},
          {kText, "[]"},
          {kText, "null"},
          {kText, "5"},
          {kText, "{}"},
          {kText, R"({"type":7,"data":{}})"},
          {kText, R"({"data":{"node":null}})"},
          {kText, R"({"type":"executing","data":{"node":)"},
          {kText, std::string(200, '[')},
          {kBinary, ""},
          {kBinary, "abc"},
          {kBinary, bytes({0, 0, 0, 1})},                                    // a picture without its format
          {kBinary, bytes({0, 0, 0, 1, 0, 0})},                              // half of it
          {kBinary, bytes({0, 0, 0, 3, 0xFF, 0xFF, 0xFF, 0xFF, 'x'})},       // a text longer than the frame
          {kBinary, bytes({0, 0, 0, 4, 0, 0, 0, 9, '{'})},                   // a header longer than the frame
          {kBinary, bytes({0, 0, 0, 4, 0, 0, 0, 3, 'x', 'y', 'z', 0xFF})}};  // a header that is no JSON
}

std::vector<Frame> unknown_frames() {
  return {{kText, R"({"type":"crystools.monitor","data":[1,2]})"},
          {kText, R"({"type":"assets.seed.progress"})"},
          {kText, R"({"type":"","data":{}})"},
          {kText, R"({"type":"executing","data":"2"})"},
          {kText, R"({"type":"progress_state","data":null})"},
          {kText, R"({"type":"execution_success","data":["over"]})"},
          {kBinary, bytes({0, 0, 0, 0})},
          {kBinary, bytes({0, 0, 0, 2, 0, 0, 0, 1, 0xFF, 0xD8})},
          {kBinary, bytes({0, 0, 0, 5}) + std::string(100'000, 'x')},
          {kBinary, bytes({0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3})}};
}

class OddFramesTest : public ::testing::Test {
 protected:
  OddFramesTest() {
    BridgeLab::Way way;
    way.url = [&](const std::string& server) {
      front_ = std::make_unique<Meddler>(server);
      return front_->url();
    };
    lab_ = std::make_unique<BridgeLab>(std::vector<std::string>(), std::move(way));
  }
  ports::ExecutionId running(double seconds, int salt) {
    EXPECT_TRUE(lab_->until_connected());
    const auto execution = lab_->order(slow_graph(seconds, salt));
    EXPECT_TRUE(lab_->until_state(execution, ExecutionState::kRunning));
    return execution;
  }
  void expect_its_own_picture(ports::ExecutionId execution) {
    ASSERT_TRUE(lab_->until_final(execution));
    const auto& error = lab_->row(execution).error;
    ASSERT_EQ(lab_->row(execution).state, ExecutionState::kCompleted) << (error ? error->message : "");
    const auto files = ledger_files(*lab_, execution);
    ASSERT_EQ(files.size(), 1u);
    ASSERT_EQ(lab_->outputs(execution).size(), 1u);
    EXPECT_EQ(lab_->outputs(execution)[0].sha256, files[0].sha256);
    EXPECT_EQ(lab_->row(execution).progress_percent, 100);
  }

  std::vector<ports::BridgeEvent> events_;
  std::unique_ptr<Meddler> front_;
  std::unique_ptr<BridgeLab> lab_;
};

TEST_F(OddFramesTest, AreCountedByKindAndDoNothingElse) {
  lab_->watch(true, events_);
  const auto execution = running(1.5, 1);
  EXPECT_EQ(lab_->metric("parse_failures_total"), 0);
  EXPECT_EQ(lab_->metric("unknown_messages_total"), 0);
  const auto unreadable = unreadable_frames();
  const auto unknown = unknown_frames();
  for (const Frame& frame : unreadable) front_->say(frame.opcode, frame.payload);
  for (const Frame& frame : unknown) front_->say(frame.opcode, frame.payload);
  ASSERT_TRUE(lab_->until([&] {
    return lab_->metric("parse_failures_total") >= static_cast<double>(unreadable.size()) &&
           lab_->metric("unknown_messages_total") >= static_cast<double>(unknown.size());
  })) << lab_->metric("parse_failures_total")
      << " and " << lab_->metric("unknown_messages_total");
  EXPECT_EQ(lab_->row(execution).state, ExecutionState::kRunning);
  expect_its_own_picture(execution);
  EXPECT_EQ(lab_->metric("parse_failures_total"), static_cast<double>(unreadable.size()));
  EXPECT_EQ(lab_->metric("unknown_messages_total"), static_cast<double>(unknown.size()));
  EXPECT_EQ(lab_->metric("messages_total{type=\"unknown\"}"), static_cast<double>(unknown.size()));
  EXPECT_EQ(lab_->metric("strays_total"), 0);
  EXPECT_EQ(lab_->metric("reconnects_total"), 0);
  EXPECT_EQ(lab_->instance().status, ports::InstanceStatus::kConnected);
  ASSERT_TRUE(lab_->until([&] { return lab_->metric("executions_total{method=\"websocket\"") == 1; }));
  for (const ports::BridgeEvent& event : events_) {
    EXPECT_FALSE(std::holds_alternative<ports::Preview>(event)) << "no whole picture was sent";
  }
}

TEST_F(OddFramesTest, WhatBreaksTheProtocolEndsTheSocketAndNotTheJob) {
  int salt = 0;
  for (const Frame& frame :
       {Frame{kText, "\xff\xfe no text"}, Frame{3, "an opcode nobody has"}, Frame{9, std::string(126, 'x')}}) {
    SCOPED_TRACE(frame.payload);
    const double opened = lab_->metric("connects_total");
    const auto execution = running(3, ++salt);
    front_->say(frame.opcode, frame.payload);
    ASSERT_TRUE(lab_->until([&] { return lab_->metric("connects_total") > std::max(opened, 1.0); }));
    expect_its_own_picture(execution);
  }
}

struct LieCase {
  std::string name;
  std::string type;
  std::string data;  // without {}; %P is the prompt's id

  friend std::ostream& operator<<(std::ostream& os, const LieCase& c) { return os << c.name; }
};

class LiesTest : public OddFramesTest, public ::testing::WithParamInterface<LieCase> {};

INSTANTIATE_TEST_SUITE_P(
    Words, LiesTest,
    ::testing::Values(
        LieCase{"over", "executing", R"("node":null,"prompt_id":"%P")"},
        LieCase{"succeeded", "execution_success", R"("prompt_id":"%P","timestamp":1)"},
        LieCase{"failed", "execution_error",
                R"("prompt_id":"%P","node_id":"2","node_type":"X","exception_message":"no","exception_type":"E")"},
        LieCase{"interrupted", "execution_interrupted", R"("prompt_id":"%P","node_id":"2","node_type":"X")"},
        LieCase{"begun_again", "execution_start", R"("prompt_id":"%P","timestamp":99999999999999999999)"},
        LieCase{"an_unknown_node", "executing", R"("node":"99.9.9","prompt_id":"%P")"},
        LieCase{"another_prompt", "executing", R"("node":null,"prompt_id":"00000000-0000-4000-8000-000000000000")"},
        LieCase{"all_cached", "execution_cached", R"("nodes":["1","2","3","4"],"prompt_id":"%P")"},
        LieCase{"beyond_the_end", "progress", R"("value":1e308,"max":1,"node":"2","prompt_id":"%P")"},
        LieCase{"before_the_beginning", "progress", R"("value":-5,"max":-1,"node":"2","prompt_id":"%P")"},
        LieCase{"no_numbers", "progress", R"("value":NaN,"max":Infinity,"node":"2","prompt_id":"%P")"},
        LieCase{"states_of_nothing", "progress_state",
                R"("prompt_id":"%P","nodes":{"77":{"value":"x","max":null,"state":5},"2":null})"},
        LieCase{"outputs_elsewhere", "executed",
                R"("node":"3","prompt_id":"%P","output":{"images":[{"filename":"../../etc/passwd","subfolder":"..",)"
                R"("type":"output"}]})"},
        LieCase{"output_null", "executed", R"("node":"3","prompt_id":"%P","output":null)"}),
    [](const auto& param) { return param.param.name; });

TEST_P(LiesTest, WhatTheHistorySaysHolds) {
  lab_->watch(false, events_);
  const auto execution = running(1.5, 1);
  std::string data = GetParam().data;
  const std::string prompt_id = lab_->row(execution).comfyui_prompt_id.value_or("?");
  if (const auto at = data.find("%P"); at != std::string::npos) data.replace(at, 2, prompt_id);
  const double heard = lab_->metric("messages_total{type=\"" + GetParam().type + "\"}");
  front_->say(kText, R"({"type":")" + GetParam().type + R"(","data":{)" + data + "}}");
  ASSERT_TRUE(lab_->until([&] { return lab_->metric("messages_total{type=\"" + GetParam().type + "\"}") > heard; }));
  expect_its_own_picture(execution);
  EXPECT_EQ(lab_->ledger("interrupted", execution), 0);
  EXPECT_EQ(lab_->metric("reconnects_total"), 0);
  int last = 0;
  for (const ports::BridgeEvent& event : events_) {
    const auto* news = std::get_if<ports::ProgressNews>(&event);
    if (news == nullptr) continue;
    EXPECT_GE(news->progress.percent, last);
    last = news->progress.percent;
  }
  EXPECT_LE(last, 100);
  EXPECT_GT(last, 0);
}

}  // namespace
}  // namespace renderyard::testing
