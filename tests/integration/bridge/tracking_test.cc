// The tracking lines of the journal (requirement W5): each names what it is about and has what it is read for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/bridge/told.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;

class TrackingTest : public ::testing::Test {
 protected:
  // The only line of this event.
  std::string line_of(const BridgeLab& lab, const std::string& event) const {
    const std::vector<std::string> lines = lines_of(lab, event);
    EXPECT_EQ(lines.size(), 1u) << event;
    return lines.empty() ? "" : lines.front();
  }
  static void expect_names(const BridgeLab& lab, ports::ExecutionId execution, const std::string& line) {
    const ports::ExecutionRow& row = lab.row(execution);
    EXPECT_EQ(field_of(line, "instance_id"), to_string(row.instance_id)) << line;
    EXPECT_EQ(field_of(line, "execution_id"), to_string(execution)) << line;
    EXPECT_EQ(field_of(line, "job_id"), to_string(row.job_id)) << line;
    EXPECT_EQ(field_of(line, "prompt_id"), row.comfyui_prompt_id.value_or("?")) << line;
  }
  // Between these.
  static void expect_ms(const std::string& line, int least, int most) {
    const std::string text = field_of(line, "elapsed_ms");
    ASSERT_THAT(text, ::testing::MatchesRegex("[0-9]+")) << line;
    EXPECT_GE(std::stoi(text), least) << line;
    EXPECT_LE(std::stoi(text), most) << line;
  }
};

TEST_F(TrackingTest, AJobOverTheWebSocket) {
  BridgeLab lab({});
  ASSERT_TRUE(lab.until_connected());
  const auto execution = lab.order(slow_graph(0.6, 1));
  ASSERT_TRUE(lab.until_final(execution));
  ASSERT_TRUE(lab.until([&] { return lab.count_in_journal("comfyui_job_websocket_completed") > 0; }));
  const std::string done = line_of(lab, "comfyui_job_websocket_completed");
  expect_names(lab, execution, done);
  expect_ms(done, 600, 20'000);
  EXPECT_EQ(field_of(done, "method"), "websocket");
  EXPECT_EQ(field_of(done, "state"), "completed");
  EXPECT_EQ(field_of(done, "code"), "");
  const auto updates = lines_of(lab, "comfyui_progress_update");
  ASSERT_GE(updates.size(), 2u);
  EXPECT_EQ(field_of(done, "progress_updates"), std::to_string(updates.size()));
  for (const std::string& update : updates) expect_names(lab, execution, update);
  EXPECT_EQ(field_of(updates[updates.size() / 2], "node_id"), "2");
  EXPECT_GT(std::stoi(field_of(updates.back(), "percent")), std::stoi(field_of(updates.front(), "percent")));
  EXPECT_EQ(lab.count_in_journal("comfyui_websocket_fallback"), 0);
  EXPECT_EQ(lab.count_in_journal("comfyui_job_websocket_failed"), 0);
}

TEST_F(TrackingTest, AJobThatFailedSaysHow) {
  BridgeLab lab({"--generation", "2024-06-30"});
  ASSERT_TRUE(lab.until_connected());
  const auto execution =
      lab.order("{" + pictures(1, 4) + "," + node(2, "BridgeFail", R"("image":["1",0],"message":"no luck")") + "," +
                node(3, "SaveImage", R"("images":["2",0],"filename_prefix":"pic")") + "}");
  ASSERT_TRUE(lab.until_final(execution));
  ASSERT_TRUE(lab.until([&] { return lab.count_in_journal("comfyui_job_websocket_failed") > 0; }));
  const std::string failed = line_of(lab, "comfyui_job_websocket_failed");
  expect_names(lab, execution, failed);
  expect_ms(failed, 0, 20'000);
  EXPECT_EQ(field_of(failed, "method"), "websocket");
  EXPECT_EQ(field_of(failed, "state"), "failed");
  EXPECT_EQ(field_of(failed, "code"), "node_error");
}

TEST_F(TrackingTest, AJobThatWasAskedForSaysSoAndWhy) {
  BridgeLab lab({}, "ws://127.0.0.1:1");
  ASSERT_TRUE(lab.until([&] { return lab.instance().status == ports::InstanceStatus::kPolling; }));
  const auto execution = lab.order(slow_graph(1, 1));
  ASSERT_TRUE(lab.until_final(execution));
  ASSERT_TRUE(lab.until([&] { return lab.count_in_journal("comfyui_job_websocket_completed") > 0; }));
  const std::string fallback = line_of(lab, "comfyui_websocket_fallback");
  expect_names(lab, execution, fallback);
  EXPECT_EQ(field_of(fallback, "reason"), "connection_failed");
  const std::string done = line_of(lab, "comfyui_job_websocket_completed");
  expect_names(lab, execution, done);
  expect_ms(done, 1'000, 20'000);
  EXPECT_EQ(field_of(done, "method"), "polling");
}

TEST_F(TrackingTest, ConnectionsSayWhoWhereAndHowLong) {
  BridgeLab lab({});
  ASSERT_TRUE(lab.until_connected());
  const std::string client = "ry-" + to_string(lab.instance().id) + "-1";
  const std::string first = line_of(lab, "comfyui_websocket_connected");
  EXPECT_EQ(field_of(first, "client_id"), client);
  EXPECT_EQ(field_of(first, "instance_id"), to_string(lab.instance().id));
  EXPECT_EQ(field_of(first, "url"), lab.instance().ws_url);
  expect_ms(first, 0, 10'000);
  const auto execution = lab.order(slow_graph(1, 1));
  ASSERT_TRUE(lab.until_final(execution));
  lab.fault(R"({"fault":"drop"})");
  ASSERT_TRUE(lab.until([&] { return lab.count_in_journal("comfyui_websocket_connected") == 2; }));
  const std::string over = line_of(lab, "comfyui_websocket_disconnected");
  EXPECT_EQ(field_of(over, "client_id"), client);
  EXPECT_EQ(field_of(over, "instance_id"), to_string(lab.instance().id));
  EXPECT_THAT(field_of(over, "reason"), ::testing::HasSubstr("UNAVAILABLE"));
  expect_ms(over, 1'000, 20'000);  // how long it was open
}

}  // namespace
}  // namespace renderyard::testing
