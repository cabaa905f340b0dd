// The faults of execution, history and files do what README.md says of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/comfysim/digest.h"
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

TEST_F(ComfysimTest, DieTakesTheNodeItIsTold) {
  TemporaryFolder folder;
  Process process(folder.path(), {"--step-ms", "0"});
  post(process.port(), "/_sim/faults", {{"fault", "die"}, {"at", "mid_run"}, {"node", 3}});
  post(process.port(), "/prompt", {{"prompt", simple_workflow(1)}, {"prompt_id", id_of(1)}});
  EXPECT_EQ(process.wait(), 1);
  const std::string ledger = read_file(folder.path() / "ledger.jsonl").value_or("");
  EXPECT_THAT(ledger, HasSubstr(R"("node_id":"3")"));
  EXPECT_THAT(ledger, Not(HasSubstr(R"("event":"file")")));
}

TEST_F(ComfysimTest, ADeadWorkerLeavesItsPromptRunningForEver) {
  WebSocketClient socket(port(), kSocket);
  fault({{"fault", "worker_death"}, {"count", 1}});
  submit(simple_workflow(1), 1);
  submit(simple_workflow(2), 2);
  const json::object struck = wait_ledger([](const json::object& line) { return line.at("event") == "fault"; });
  EXPECT_EQ(struck.at("prompt_id"), json::string(id_of(1)));
  EXPECT_EQ(post(port(), "/interrupt", json::object()).status, 200u);
  const json::value queue = get(port(), "/queue").json();
  EXPECT_EQ(queue.at("queue_running").at(0).at(1), json::string(id_of(1)));
  EXPECT_EQ(queue.at("queue_pending").at(0).at(1), json::string(id_of(2)));
  EXPECT_EQ(get(port(), "/history").body, "{}");
  // Only another life, as after a restart, has a worker again.
  fault({{"fault", "forget"}});
  submit(simple_workflow(3), 3);
  wait_ledger([](const json::object& line) { return is_event(line, "ended", 3); });
  for (const json::object& line : ledger()) {
    EXPECT_FALSE(is_event(line, "ended", 1) || is_event(line, "started", 2) || is_event(line, "interrupted", 1));
  }
}

TEST_F(ComfysimTest, WorkerDeathWakesASleepingNodeAndEndsNothing) {
  WebSocketClient socket(port(), kSocket);
  submit(slow_workflow(600, 2, "none", 1), 1);
  socket.until([](const Event& event) { return event.type == "executing" && event.data.at("node") == "2"; });
  fault({{"fault", "worker_death"}, {"at", "now"}});
  EXPECT_EQ(get(port(), "/queue").json().at("queue_running").as_array().size(), 1u);
}

TEST_F(ComfysimTest, HistoryComesLateOrEmpty) {
  WebSocketClient socket(port(), kSocket);
  fault({{"fault", "history_late"}, {"delay_ms", 400}, {"count", 1}});
  submit(simple_workflow(1), 1);
  socket.until_done();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(history(1).empty());
  EXPECT_EQ(get(port(), "/history").body, "{}");
  EXPECT_EQ(get(port(), "/queue").body, R"({"queue_running": [], "queue_pending": []})");
  EXPECT_EQ(get(port(), "/api/jobs/" + id_of(1)).status, 404u);
  while (history(1).empty() && std::chrono::steady_clock::now() - start < kPatience) {
  }
  EXPECT_EQ(history(1).at("status").at("status_str"), "success");
  fault({{"fault", "history_empty"}, {"count", 2}});
  EXPECT_TRUE(history(1).empty());
  EXPECT_EQ(get(port(), "/history").body, "{}");
  EXPECT_FALSE(history(1).empty());
}

TEST_F(ComfysimTest, ClearHistoryStrikesNowOrAtTheEnd) {
  WebSocketClient socket(port(), kSocket);
  submit(simple_workflow(1), 1);
  socket.until_done();
  EXPECT_FALSE(history(1).empty());
  fault({{"fault", "clear_history"}});
  EXPECT_EQ(get(port(), "/history").body, "{}");
  fault({{"fault", "clear_history"}, {"at", "end"}, {"count", 1}});
  submit(simple_workflow(2), 2);
  socket.until_done();
  EXPECT_EQ(get(port(), "/history").body, "{}");
  submit(simple_workflow(3), 3);
  socket.until_done();
  EXPECT_FALSE(history(3).empty());
}

TEST_F(ComfysimTest, AFullDiskIsAnExecutionError) {
  WebSocketClient socket(port(), kSocket);
  fault({{"fault", "disk_full"}, {"count", 1}});
  submit(simple_workflow(1), 1);
  const std::vector<Event> events = socket.until_done();
  const auto error =
      std::find_if(events.begin(), events.end(), [](const Event& e) { return e.type == "execution_error"; });
  ASSERT_NE(error, events.end());
  EXPECT_EQ(error->data.at("exception_type"), "OSError");
  EXPECT_EQ(error->data.at("exception_message"), "[Errno 28] No space left on device\n");
  EXPECT_EQ(error->data.at("node_type"), "SaveImage");
  EXPECT_EQ(get(port(), "/view?filename=simple_00001_.png&subfolder=rec").status, 404u);
  EXPECT_EQ(wait_ledger([](const json::object& line) { return is_event(line, "ended", 1); }).at("status"), "error");
  submit(simple_workflow(1), 2);
  EXPECT_THAT(types_of(socket.until_done()), Contains("execution_success"));
}

TEST_F(ComfysimTest, OverwriteReplacesTheFileOfTheSameName) {
  WebSocketClient socket(port(), kSocket);
  const std::string view = "/view?filename=simple_00001_.png&subfolder=rec";
  fault({{"fault", "overwrite"}, {"count", 1}});
  submit(simple_workflow(1), 1);
  socket.until_done();
  const json::object file = wait_ledger([](const json::object& line) { return is_event(line, "file", 1); });
  const Reply strange = get(port(), view);
  EXPECT_EQ(strange.status, 200u);
  EXPECT_NE(json::string(sha256_hex(strange.body)), file.at("sha256"));
  EXPECT_GT(strange.body.size(), 0u);
  submit(simple_workflow(2), 2);
  socket.until_done();
  const json::object own = wait_ledger([](const json::object& line) { return is_event(line, "file", 2); });
  EXPECT_EQ(json::string(sha256_hex(get(port(), "/view?filename=simple_00002_.png&subfolder=rec").body)),
            own.at("sha256"));
}

}  // namespace
}  // namespace comfysim::testing
