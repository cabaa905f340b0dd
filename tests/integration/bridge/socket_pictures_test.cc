// Outputs that come over the WebSocket alone (SaveImageWebsocket), on every release: all of them and nothing else, or
// a failure that says why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;
using ::testing::HasSubstr;

// The server's "width" of a PNG: the first number of its header.
int width_of(std::string_view png) {
  constexpr std::size_t kAt = 16;
  if (!png.starts_with("\x89PNG") || png.size() < kAt + 4) return -1;
  int width = 0;
  for (std::size_t i = kAt; i < kAt + 4; ++i) width = width * 256 + static_cast<unsigned char>(png[i]);
  return width;
}

class SocketPicturesTest : public ::testing::TestWithParam<const char*> {
 protected:
  // Two pictures over the socket after a node that shows PNG previews of its own for so long.
  static std::string graph(double seconds, const std::string& preview = "PNG") {
    return "{" + pictures(2, 5) + "," + slow_node(seconds, 1, preview) + "," +
           node(3, "SaveImageWebsocket", R"("images":["2",0])") + "}";
  }
  // The pictures go first, then it takes a while until they are saved as files, too.
  static std::string graph_with_a_slow_end(double seconds) {
    return "{" + pictures(2, 5) + "," + node(3, "SaveImageWebsocket", R"("images":["1",0])") + "," +
           slow_node(seconds, 1) + "," + node(4, "SaveImage", R"("images":["2",0],"filename_prefix":"late")") + "}";
  }

  void expect_pictures(ports::ExecutionId execution, std::size_t more_files) {
    const auto& row = lab_.row(execution);
    ASSERT_EQ(row.state, ExecutionState::kCompleted) << (row.error ? row.error->message : "");
    auto outputs = lab_.outputs(execution);
    ASSERT_GE(outputs.size(), 2u);
    EXPECT_EQ(std::count_if(outputs.begin(), outputs.end(), [](const auto& output) { return output.node_id == "3"; }),
              2);
    EXPECT_EQ(outputs.size(), 2 + more_files);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(outputs[i].node_id, "3");
      EXPECT_EQ(outputs[i].content_type, "image/png");
      EXPECT_EQ(width_of(lab_.content(outputs[i])), 64) << "a preview is 512 wide";
      EXPECT_EQ(outputs[i].size_bytes, static_cast<std::int64_t>(lab_.content(outputs[i]).size()));
    }
  }

  void expect_missing(ports::ExecutionId execution) {
    const auto& row = lab_.row(execution);
    ASSERT_EQ(row.state, ExecutionState::kFailed);
    ASSERT_TRUE(row.error);
    EXPECT_EQ(row.error->code, "output_missing");
    EXPECT_EQ(row.error->node_id, "3");
    EXPECT_EQ(row.error->node_class, "SaveImageWebsocket");
    EXPECT_THAT(row.error->message, HasSubstr("WebSocket"));
    EXPECT_TRUE(lab_.outputs(execution).empty());
  }

  BridgeLab lab_{{"--generation", GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Releases, SocketPicturesTest, ::testing::Values("2024-06-30", "0.3.64", "0.33.0"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '.' || c == '-'; }, '_');
                           return name;
                         });

TEST_P(SocketPicturesTest, AreTheOutputsAndPreviewsOfOtherNodesAreNot) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(graph(0.3));
  ASSERT_TRUE(lab_.until_final(execution));
  expect_pictures(execution, 0);
}

// Its pictures may be sent before the POST is answered.
TEST_P(SocketPicturesTest, AreHeardBeforeTheAnswerOfThePost) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.fault(R"({"fault": "answer_late", "path": "/prompt", "delay_ms": 500, "count": 1})");
  const auto execution = lab_.order(graph(0));
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("ended", execution) == 1; }));
  ASSERT_TRUE(lab_.until_final(execution));
  expect_pictures(execution, 0);
}

TEST_P(SocketPicturesTest, AreMissingWhenTheSocketWasAwayThen) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.fault(R"({"fault": "drop", "at": "mid_run", "node": 3, "count": 1})");
  const auto execution = lab_.order(graph(0.2));
  ASSERT_TRUE(lab_.until_final(execution));
  expect_missing(execution);
}

TEST_P(SocketPicturesTest, AGapBeforeTheirNodeCostsNothing) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.fault(R"({"fault": "drop", "at": "mid_run", "node": 2, "count": 1})");
  const auto execution = lab_.order(graph(2.5, "none"));
  ASSERT_TRUE(lab_.until_final(execution));
  expect_pictures(execution, 0);
  EXPECT_EQ(lab_.count_in_journal("comfyui_websocket_connected"), 2);
}

TEST_P(SocketPicturesTest, AGapAfterTheirNodeCostsNothing) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(graph_with_a_slow_end(0.6));
  ASSERT_TRUE(lab_.until([&] { return lab_.row(execution).current_node == "2"; }));
  lab_.fault(R"({"fault": "drop", "at": "now"})");
  ASSERT_TRUE(lab_.until_final(execution));
  expect_pictures(execution, 2);
}

TEST_P(SocketPicturesTest, ADeathBeforeTheirNodeCostsNothing) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(graph(2.0, "none"));
  ASSERT_TRUE(lab_.until_state(execution, ExecutionState::kRunning));
  lab_.kill_bridge();
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  expect_pictures(execution, 0);
}

// The one who heard them is dead: nobody can know that they were all.
TEST_P(SocketPicturesTest, ADeathAfterTheirNodeMakesThemMissing) {
  ASSERT_TRUE(lab_.until_connected());
  const auto execution = lab_.order(graph_with_a_slow_end(1.5));
  ASSERT_TRUE(lab_.until([&] { return lab_.row(execution).current_node == "2"; }));
  lab_.kill_bridge();
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  expect_missing(execution);
}

// From `collecting` on they are in the store, and any process can complete the job.
TEST_P(SocketPicturesTest, ADeathWhileCollectingCostsNothing) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.fault(R"({"fault": "silent", "at": "answer", "path": "/view", "count": 1})");
  const auto execution = lab_.order(graph_with_a_slow_end(0.1));
  ASSERT_TRUE(lab_.until([&] { return lab_.ledger("fault") == 1; }));
  ASSERT_EQ(lab_.row(execution).state, ExecutionState::kCollecting);
  lab_.kill_bridge();
  lab_.start_bridge();
  ASSERT_TRUE(lab_.until_final(execution));
  expect_pictures(execution, 2);
}

}  // namespace
}  // namespace renderyard::testing
