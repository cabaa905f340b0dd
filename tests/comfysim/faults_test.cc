// Each fault does what README.md says of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/comfysim/files.h"
#include "tests/comfysim/test_fixture.h"

namespace comfysim::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

bool is_event(const json::object& line, const char* event, int n) {
  return line.at("event") == event && line.at("prompt_id") == json::string(id_of(n));
}

TEST_F(ComfysimTest, RefuseAnswersWithoutQueueing) {
  fault({{"fault", "refuse"}, {"count", 1}, {"status", 502}});
  EXPECT_EQ(submit(simple_workflow(1), 1).status, 502u);
  EXPECT_EQ(submit(simple_workflow(1), 2).status, 200u);
  fault({{"fault", "refuse"}, {"status", 0}});
  EXPECT_EQ(submit(simple_workflow(1), 3).status, 0u);
  fault({{"fault", "clear"}});
  EXPECT_EQ(get(port(), "/_sim/faults").body, "[]");
  for (const json::object& line : ledger()) {
    EXPECT_FALSE(is_event(line, "accepted", 1) || is_event(line, "accepted", 3));
  }
}

TEST_F(ComfysimTest, ReadLateAcceptsThoughTheClientIsGone) {
  fault({{"fault", "read_late"}, {"delay_ms", 200}, {"count", 1}});
  post_and_leave(port(), "/prompt", {{"prompt", simple_workflow(1)}, {"prompt_id", id_of(1)}});
  const json::object accepted = wait_ledger([](const json::object& line) { return is_event(line, "accepted", 1); });
  const json::object post = wait_ledger([](const json::object& line) { return line.at("event") == "post"; });
  EXPECT_EQ(accepted.at("post"), post.at("post"));
  EXPECT_GE(accepted.at("t_us").as_int64() - post.at("t_us").as_int64(), 200'000);
}

TEST_F(ComfysimTest, DropCutsTheSocketsAndTheRunGoesOn) {
  WebSocketClient socket(port(), kSocket);
  socket.next();
  fault({{"fault", "drop"}, {"at", "mid_run"}, {"count", 1}});
  submit(simple_workflow(1), 1);
  EXPECT_EQ(socket.until_done().back().kind, Event::Kind::kClosed);
  wait_ledger([](const json::object& line) { return is_event(line, "ended", 1); });
  WebSocketClient other(port(), kSocket);
  other.next();
  fault({{"fault", "drop"}});
  EXPECT_EQ(other.until_done().back().kind, Event::Kind::kClosed);
}

TEST_F(ComfysimTest, DeafLeavesTheSocketsOpenAndSilent) {
  WebSocketClient socket(port(), kSocket);
  socket.next();
  fault({{"fault", "deaf"}});
  submit(simple_workflow(1), 1);
  wait_ledger([](const json::object& line) { return is_event(line, "ended", 1); });
  socket.ping();
  const auto pong = socket.next();
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->kind, Event::Kind::kPong);
}

TEST_F(ComfysimTest, ForgetLosesQueueHistoryAndTheRunningPrompt) {
  WebSocketClient socket(port(), kSocket);
  submit(simple_workflow(1), 1);
  socket.until_done();
  submit(slow_workflow(60, 1000, "none", 1), 2);
  submit(simple_workflow(1), 3);
  socket.until([](const Event& event) { return event.type == "progress"; });
  fault({{"fault", "forget"}});
  EXPECT_EQ(get(port(), "/queue").body, R"({"queue_running": [], "queue_pending": []})");
  EXPECT_EQ(get(port(), "/history").body, "{}");
  EXPECT_EQ(submit(simple_workflow(1), 4).json().at("number"), 0);
  std::vector<std::string> types = types_of(socket.until_done());
  EXPECT_THAT(types, Not(Contains("execution_interrupted")));
  const json::object entry = history(4);
  EXPECT_EQ(dump_json(entry.at("status").at("messages").at(1).at(1).at("nodes")), "[]");  // nothing was cached
  for (const json::object& line : ledger()) EXPECT_FALSE(is_event(line, "ended", 2));
}

TEST_F(ComfysimTest, DieLeavesTheLedgerAtThePointItNames) {
  const auto events_after = [&](const char* at) {
    TemporaryFolder folder;
    Process process(folder.path(), {"--step-ms", "0"});
    post(process.port(), "/_sim/faults", {{"fault", "die"}, {"at", at}});
    const Reply reply = post(process.port(), "/prompt", {{"prompt", simple_workflow(1)}, {"prompt_id", id_of(1)}});
    if (std::string(at) != "mid_run") EXPECT_EQ(reply.status, 0u) << at;
    EXPECT_EQ(process.wait(), 1) << at;
    Process again(folder.path(), {});
    EXPECT_EQ(get(again.port(), "/history").body, "{}");
    std::string out;
    std::istringstream lines(get(again.port(), "/_sim/ledger").body);
    for (std::string line; std::getline(lines, line);) out += python_str(parse_json(line)->at("event")) + " ";
    return out;
  };
  EXPECT_EQ(events_after("post_before_queue"), "boot post fault boot ");
  EXPECT_THAT(events_after("post_after_queue"), HasSubstr("boot post accepted "));
  EXPECT_EQ(events_after("mid_run"), "boot post accepted started node node fault boot ");
  EXPECT_EQ(events_after("now"), "boot fault boot ");
}

TEST_F(ComfysimTest, BadFaultRequestsNameTheField) {
  const auto complaint = [&](const json::value& body) {
    const Reply reply = post(port(), "/_sim/faults", body);
    EXPECT_EQ(reply.status, 400u);
    return python_str(reply.json().at("error"));
  };
  EXPECT_THAT(complaint({{"fault", "explode"}}), HasSubstr("fault"));
  EXPECT_THAT(complaint({{"fault", "drop"}, {"at", "post"}}), HasSubstr("at"));
  EXPECT_THAT(complaint({{"fault", "refuse"}, {"probability", 2}}), HasSubstr("probability"));
  EXPECT_THAT(complaint({{"fault", "refuse"}, {"count", 0}}), HasSubstr("count"));
  EXPECT_THAT(complaint({{"fault", "read_late"}, {"delay_ms", 60001}}), HasSubstr("delay_ms"));
  EXPECT_THAT(complaint({{"fault", "refuse"}, {"status", 200}}), HasSubstr("status"));
  EXPECT_THAT(complaint({{"fault", "refuse"}, {"colour", 1}}), HasSubstr("colour"));
  EXPECT_THAT(complaint({{"fault", "drop"}, {"status", 500}}), HasSubstr("status: fault drop has no such field"));
  EXPECT_THAT(complaint({{"fault", "closed"}}), HasSubstr("for_ms: fault closed needs it"));
  EXPECT_THAT(complaint({{"fault", "forget"}, {"for_ms", 10}}), HasSubstr("for_ms"));
  EXPECT_THAT(complaint({{"fault", "refuse"}, {"for_ms", 0}}), HasSubstr("for_ms"));
  EXPECT_THAT(complaint({{"fault", "answer_late"}, {"delay_ms", 60'001}}), HasSubstr("delay_ms"));
  EXPECT_THAT(complaint({{"fault", "answer_late"}, {"path", "queue"}}), HasSubstr("path"));
  EXPECT_THAT(complaint({{"fault", "die"}, {"at", "mid_run"}, {"node", 0}}), HasSubstr("node"));
  EXPECT_THAT(complaint({{"fault", "truncate"}, {"bytes", -1}}), HasSubstr("bytes"));
  EXPECT_THAT(complaint({{"fault", "slow_download"}, {"bytes_per_s", 0}}), HasSubstr("bytes_per_s"));
  EXPECT_EQ(get(port(), "/_sim/faults").body, "[]");
}

TEST_F(ComfysimTest, AProcessTellsItsPortAndEndsCleanly) {
  TemporaryFolder folder;
  Process process(folder.path(), {"--port-file", (folder.path() / "port").string()});
  get(process.port(), "/prompt");
  EXPECT_EQ(read_file(folder.path() / "port"), std::to_string(process.port()) + "\n");
  WebSocketClient socket(process.port(), kSocket);
  socket.next();
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(), 0);
  EXPECT_EQ(socket.until_done().back().kind, Event::Kind::kClosed);
}

}  // namespace
}  // namespace comfysim::testing
