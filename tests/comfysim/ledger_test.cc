// The ledger of a real run has every event, and the judge reads it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "tests/comfysim/digest.h"
#include "tests/comfysim/files.h"
#include "tests/comfysim/judge.h"
#include "tests/comfysim/test_fixture.h"

namespace comfysim::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

bool is_event(const json::object& line, const char* event, int n) {
  return line.at("event") == event && line.at("prompt_id") == json::string(id_of(n));
}

json::object execution(int n) {
  return {{"extra_data", {{"renderyard", {{"execution_id", n}}}}}};
}

// Exit code and output of comfysim-judge.
std::pair<int, std::string> judge(const std::string& arguments) {
  const char* build = std::getenv("RENDERYARD_TEST_BINARY_DIR");
  if (build == nullptr) return {-1, "RENDERYARD_TEST_BINARY_DIR is not set"};
  FILE* pipe = ::popen((std::string(build) + "/bin/comfysim-judge " + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {-1, "popen"};
  std::string out;
  std::array<char, 4096> chunk{};
  for (std::size_t n = 0; (n = std::fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) out.append(chunk.data(), n);
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, out};
}

TEST_F(ComfysimTest, TheLedgerHasTheWholeLifeOfAPrompt) {
  submit(simple_workflow(1), 1, execution(41));
  wait_ledger([](const json::object& line) { return is_event(line, "ended", 1); });
  std::vector<std::string> events;
  std::int64_t last = 0;
  for (const json::object& line : ledger()) {
    EXPECT_GE(line.at("t_us").as_int64(), last);
    last = line.at("t_us").as_int64();
    if (line.at("prompt_id") != json::string(id_of(1))) continue;
    EXPECT_EQ(line.at("execution_id"), 41);
    events.push_back(python_str(line.at("event")));
    if (events.back() != "file") continue;
    const std::optional<std::string> bytes = read_file(folder_.path() / "output/rec/simple_00001_.png");
    EXPECT_EQ(line.at("sha256"), json::string(sha256_hex(bytes.value_or(""))));
  }
  EXPECT_THAT(events, ElementsAre("accepted", "started", "node", "node", "node", "file", "ended"));
}

TEST_F(ComfysimTest, InterruptsSayWhoseTheyAre) {
  WebSocketClient socket(port(), kSocket);
  const auto interrupted_by = [&](int n, const std::string& route, const std::string& body) {
    EXPECT_EQ(submit(slow_workflow(60, 1000, "none", n), n).status, 200u);
    socket.until([n](const Event& event) {
      return event.type == "progress" && event.data.at("prompt_id") == json::string(id_of(n));
    });
    request(port(), "POST", route, body, {{"User-Agent", "tester/1"}});
    const json::object line = wait_ledger([n](const json::object& l) { return is_event(l, "interrupted", n); });
    EXPECT_EQ(line.at("user_agent"), "tester/1");
    return python_str(line.at("by")) + (line.at("targeted") == true ? " targeted" : "");
  };
  EXPECT_EQ(interrupted_by(1, "/interrupt", ""), "POST /interrupt");
  EXPECT_EQ(interrupted_by(2, "/interrupt", R"({"prompt_id": ")" + id_of(2) + R"("})"), "POST /interrupt targeted");
  const std::string cancel = "/api/jobs/" + id_of(3) + "/cancel";
  EXPECT_EQ(interrupted_by(3, cancel, ""), "POST " + cancel + " targeted");
}

TEST_F(ComfysimTest, TheJudgeFindsADoubleExecutionOverTwoServers) {
  TemporaryFolder other_folder;
  Process other(other_folder.path(), {"--step-ms", "0"});
  const std::string own = (folder_.path() / "ledger.jsonl").string();
  const std::string theirs = (other_folder.path() / "ledger.jsonl").string();
  submit(simple_workflow(1), 1, execution(7));
  wait_ledger([](const json::object& line) { return is_event(line, "ended", 1); });
  const auto [innocent, table] = judge(own + " " + theirs);
  EXPECT_EQ(innocent, 0) << table;
  EXPECT_THAT(table, HasSubstr("executed twice          0"));
  WebSocketClient socket(other.port(), kSocket);
  json::object body = execution(7);
  body["prompt"] = simple_workflow(2);
  body["prompt_id"] = id_of(2);
  body["client_id"] = kClient;
  post(other.port(), "/prompt", body);
  socket.until_done();
  const auto [guilty, text] = judge(own + " " + theirs + " --json");
  EXPECT_EQ(guilty, 1) << text;
  const json::value found = parse_json(text).value_or(nullptr);
  EXPECT_THAT(found.at("executed_twice").as_array(), SizeIs(1));
  EXPECT_EQ(found.at("executed_twice").at(0).at("id"), "7");
  EXPECT_EQ(judge("/nonexistent/ledger.jsonl").first, 2);
  EXPECT_EQ(judge("").first, 2);
}

}  // namespace
}  // namespace comfysim::testing
