// Many clients at once on several instances, with cancels, faults and clears in between: what the sanitizer builds
// watch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <set>
#include <thread>

#include "tests/comfysim/digest.h"
#include "tests/comfysim/files.h"
#include "tests/comfysim/judge.h"
#include "tests/comfysim/test_fixture.h"

namespace comfysim::testing {
namespace {

constexpr std::size_t kInstances = 3;
constexpr int kClients = 6;
constexpr int kPromptsOfAClient = 12;

std::string prompt_id(int client, int n) {
  return id_of(client * 1000 + n);
}

// One client of one instance: submits prompts of several kinds, cancels some of them, looks at everything.
void work(std::uint16_t port, int client, std::atomic<int>& answered) {
  const std::string name = "load-" + std::to_string(client);
  WebSocketClient socket(port, "/ws?clientId=" + name);
  Random random(static_cast<std::uint64_t>(client));
  for (int n = 0; n < kPromptsOfAClient; ++n) {
    const int colour = client * 1000 + n;
    const json::value workflow = n % 3 == 0   ? slow_workflow(0.02, 4, "JPEG", colour)
                                 : n % 3 == 1 ? simple_workflow(colour, "load/" + name)
                                              : text_to_image(static_cast<std::uint64_t>(colour), name, 2);
    const std::string id = prompt_id(client, n);
    const Reply reply = post(port, "/prompt",
                             {{"prompt", workflow},
                              {"client_id", name},
                              {"prompt_id", id},
                              {"extra_data", {{"renderyard", {{"execution_id", id}}}}}});
    if (reply.status != 0) ++answered;
    if (random.unit() < 0.2) post(port, "/interrupt", {{"prompt_id", id}});
    if (random.unit() < 0.2) post(port, "/api/jobs/" + id + "/cancel", json::object());
    if (random.unit() < 0.1) post(port, "/queue", {{"delete", {json::string(id)}}});
    get(port, "/queue");
    get(port, "/history/" + id);
    get(port, "/api/jobs");
    if (n % 4 == 0) get(port, "/_sim/ledger");
    socket.ping();
    while (socket.next(std::chrono::milliseconds(0))) {
    }
  }
}

// What a test does to the servers meanwhile. No fault that ends the process or loses prompts.
void disturb(std::uint16_t port, const std::atomic<bool>& done) {
  const char* const faults[] = {R"({"fault": "drop"})",
                                R"({"fault": "deaf"})",
                                R"({"fault": "refuse", "probability": 0.3, "count": 2})",
                                R"({"fault": "error", "count": 1})",
                                R"({"fault": "answer_late", "path": "/queue", "delay_ms": 20, "count": 2})",
                                R"({"fault": "half_open", "for_ms": 30})",
                                R"({"fault": "history_empty", "count": 2})",
                                R"({"fault": "history_late", "delay_ms": 20, "count": 1})",
                                R"({"fault": "overwrite", "count": 1})",
                                R"({"fault": "clear_history"})"};
  for (std::size_t i = 0; !done; ++i) {
    request(port, "POST", "/_sim/faults", faults[i % std::size(faults)]);
    WebSocketClient passer_by(port, "/ws");
    passer_by.send(R"({"type": "feature_flags", "data": {"supports_preview_metadata": true}})");
    passer_by.next();
    post(port, "/free", {{"free_memory", true}});
  }
  post(port, "/_sim/faults", {{"fault", "clear"}});
}

TEST(ComfysimLoadTest, ManyClientsFaultsAndCancelsOnSeveralInstances) {
  TemporaryFolder folder;
  Options options;
  options.dir = folder.path();
  options.step_ms = 0;
  const Server server(options, kInstances);
  const std::vector<std::uint16_t> ports = server.ports();
  std::atomic<bool> done = false;
  std::vector<std::thread> disturbers;
  for (const std::uint16_t port : ports) disturbers.emplace_back([port, &done] { disturb(port, done); });
  std::atomic<int> answered = 0;
  std::vector<std::thread> clients;
  for (int client = 1; client <= kClients; ++client) {
    clients.emplace_back(
        [&ports, &answered, client] { work(ports[static_cast<std::size_t>(client) % kInstances], client, answered); });
  }
  for (std::thread& client : clients) client.join();
  done = true;
  for (std::thread& disturber : disturbers) disturber.join();

  // Every accepted prompt comes to its end, once.
  const auto deadline = std::chrono::steady_clock::now() + 3 * kPatience;
  for (const std::uint16_t port : ports) {
    while (get(port, "/prompt").json() != json::value{{"exec_info", {{"queue_remaining", 0}}}} &&
           std::chrono::steady_clock::now() < deadline) {
    }
  }
  Judgement judgement;
  for (std::size_t n = 1; n <= kInstances; ++n) judgement.read(folder.path() / std::to_string(n) / "ledger.jsonl");
  EXPECT_TRUE(judgement.executed_twice().empty()) << judgement.to_text();
  EXPECT_TRUE(judgement.never_finished().empty()) << judgement.to_text();
  EXPECT_TRUE(judgement.accepted_never_started().empty()) << judgement.to_text();
  const json::object summary = judgement.to_json();
  EXPECT_GT(summary.at("success").to_number<int>(), kClients) << judgement.to_text();
  // What comes over a connection that is half open then is never read; everything that was answered was.
  EXPECT_GE(summary.at("posts").to_number<int>(), answered);
  EXPECT_LE(summary.at("posts").to_number<int>(), kClients * kPromptsOfAClient);
  EXPECT_GT(answered, kClients * kPromptsOfAClient / 2);
}

TEST(ComfysimLoadTest, AServerEndsInTheMiddleOfEverything) {
  TemporaryFolder folder;
  Options options;
  options.dir = folder.path();
  options.step_ms = 1;
  auto server = std::make_unique<Server>(options, kInstances);
  std::vector<std::unique_ptr<WebSocketClient>> sockets;
  int n = 0;
  for (const std::uint16_t port : server->ports()) {
    sockets.push_back(std::make_unique<WebSocketClient>(port, kSocket));
    post(port, "/_sim/faults", {{"fault", "silent"}, {"at", "answer"}, {"path", "/queue"}});
    post(port, "/prompt", {{"prompt", slow_workflow(60, 1000, "JPEG", ++n)}, {"client_id", kClient}});
    sockets.back()->until([](const Event& event) { return event.type == "progress"; });
    post_and_leave(port, "/queue", json::object());
    post(port, "/_sim/faults", {{"fault", "half_open"}});
  }
  server.reset();
  for (const auto& socket : sockets) {
    EXPECT_EQ(socket->until([](const Event&) { return false; }).back().kind, Event::Kind::kClosed);
  }
}

}  // namespace
}  // namespace comfysim::testing
