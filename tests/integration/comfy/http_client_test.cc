// Looks, probes and cancels over libcurl, against scripted servers.
#include <string>
#include <vector>

#include "tests/integration/comfy/http_fixture.h"

namespace renderyard {
namespace {

using testing::Flag;
using testing::RawConnection;
using testing::RawServer;

constexpr char kEmptyQueue[] = R"({"queue_running":[],"queue_pending":[]})";

using HttpClientTest = testing::HttpFixture;

TEST_F(HttpClientTest, LooksKeepTheBasePathAndSendNoOrigin) {
  std::vector<testing::RawRequest> seen;
  RawServer server([&](RawConnection& connection) {
    while (auto request = connection.read_request()) {
      seen.push_back(*request);
      connection.answer(200, kEmptyQueue);
    }
  });
  {
    auto comfy = instance(server.url() + "/comfy/one/");
    EXPECT_TRUE(await(comfy->queue(in(20))).ok());
    EXPECT_TRUE(await(comfy->queue(in(20))).ok());
  }
  EXPECT_EQ(server.connections(), 1);  // kept alive
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].line, "GET /comfy/one/queue HTTP/1.1");
  EXPECT_FALSE(seen[0].headers.contains("origin"));
}

TEST_F(HttpClientTest, StatusesBecomeErrors) {
  const std::vector<std::pair<int, absl::StatusCode>> cases = {
      {404, absl::StatusCode::kNotFound},    {405, absl::StatusCode::kNotFound},
      {500, absl::StatusCode::kUnavailable}, {503, absl::StatusCode::kUnavailable},
      {429, absl::StatusCode::kUnavailable}, {403, absl::StatusCode::kPermissionDenied},
      {302, absl::StatusCode::kUnavailable}, {400, absl::StatusCode::kInvalidArgument}};
  for (const auto& [status, code] : cases) {
    RawServer server([status = status](RawConnection& connection) {
      connection.read_request();
      connection.answer(status, "x");
    });
    EXPECT_EQ(await(instance(server.url())->queue(in(20))).status().code(), code) << status;
  }
}

TEST_F(HttpClientTest, WhatCannotBeReadIsNoLook) {
  RawServer page([](RawConnection& connection) {
    connection.read_request();
    connection.answer(200, "<html>welcome</html>", "text/html");
  });
  EXPECT_TRUE(absl::IsInvalidArgument(await(instance(page.url())->queue(in(20))).status()));
  EXPECT_TRUE(absl::IsUnavailable(
      await(instance("http://127.0.0.1:" + std::to_string(testing::closed_port()))->queue(in(20))).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(await(instance("gopher://x")->queue(in(20))).status()));
}

TEST_F(HttpClientTest, RedirectsAreNotFollowed) {
  RawServer other([](RawConnection& connection) { connection.read_request(); });
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 302 Found\r\nLocation: " + other.url() + "/queue\r\nContent-Length: 0\r\n\r\n");
  });
  EXPECT_TRUE(absl::IsUnavailable(await(instance(server.url())->queue(in(20))).status()));
  EXPECT_EQ(other.connections(), 0);
}

TEST_F(HttpClientTest, SilenceEndsAtTheDeadline) {
  Flag gone;
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    if (connection.read_to_end()) gone.set();
  });
  EXPECT_TRUE(absl::IsDeadlineExceeded(await(instance(server.url())->queue(in(0.3))).status()));
  EXPECT_TRUE(gone.wait());
  EXPECT_TRUE(absl::IsDeadlineExceeded(await(instance(server.url())->queue(in(-1))).status()));
}

TEST_F(HttpClientTest, AnswersHaveABound) {
  options_.max_listing_bytes = 1000;
  RawServer server([](RawConnection& connection) {
    connection.read_request();
    connection.answer(200, std::string(2000, ' ') + kEmptyQueue);
  });
  const auto listing = await(instance(server.url())->queue(in(20)));
  EXPECT_TRUE(absl::IsInvalidArgument(listing.status())) << listing.status();
}

TEST_F(HttpClientTest, ACancelledLookEndsItsTransfer) {
  Flag read;
  Flag gone;
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    read.set();
    if (connection.read_to_end()) gone.set();
  });
  auto comfy = instance(server.url());
  struct Looker {
    static base::Task<absl::Status> run(ports::ComfyInstance& comfy, absl::Time deadline) {
      auto listing = co_await comfy.queue(deadline);
      co_return listing.status();
    }
  };
  base::Group group(strand_);
  group.spawn(Looker::run(*comfy, in(20)));
  io_.run_one();
  ASSERT_TRUE(read.wait());
  group.cancel();
  EXPECT_TRUE(absl::IsCancelled(await(group.join())));
  EXPECT_TRUE(gone.wait());
}

TEST_F(HttpClientTest, ADroppedStrandEndsItsTransfers) {
  Flag read;
  Flag gone;
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    read.set();
    if (connection.read_to_end()) gone.set();
  });
  auto comfy = instance(server.url());
  struct Looker {
    static base::Task<absl::Status> run(ports::ComfyInstance& comfy, absl::Time deadline) {
      auto listing = co_await comfy.queue(deadline);
      co_return listing.status();
    }
  };
  base::Group group(strand_);
  group.spawn(Looker::run(*comfy, in(20)));
  io_.run_one();
  ASSERT_TRUE(read.wait());
  strand_.drop_all();
  io_.poll();  // the unwinding of coroutines is posted
  EXPECT_TRUE(gone.wait());
}

TEST_F(HttpClientTest, HistoryAsksForTheEncodedId) {
  RawServer server(answering(
      {{"GET /history/a%20b%2Fc", {200, R"({"a b/c":{"outputs":{},"status":{"completed":true}}})"}},
       {"GET /history/gone", {200, "{}"}},
       {"GET /history?max_items=5",
        {200,
         R"({"x":{"prompt":[1,"x",{},{"renderyard":{"prompt_id":"ours"}},[]]},"y":{"prompt":[2,"y",{},{},[]]}})"}}},
      seen_, mutex_));
  auto comfy = instance(server.url());
  const auto entry = await(comfy->history("a b/c", in(20)));
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_EQ((*entry)->end, domain::HistoryEnd::kSuccess);
  EXPECT_EQ(*await(comfy->history("gone", in(20))), std::nullopt);
  const auto recent = await(comfy->recent_history(5, in(20)));
  ASSERT_TRUE(recent.ok());
  ASSERT_EQ(recent->size(), 1u);
  EXPECT_EQ(recent->front().prompt_id, "x");
  EXPECT_EQ(recent->front().chosen_id, "ours");
}

TEST_F(HttpClientTest, ProbesTheNewestServer) {
  RawServer server(answering({{"GET /system_stats", {200, R"({"system":{"comfyui_version":"0.33.0"}})"}},
                              {"GET /features", {200, R"({"supports_preview_metadata":true})"}},
                              {"GET /api/jobs?limit=1", {200, R"({"jobs":[],"pagination":{}})"}},
                              {"POST /api/jobs/cancel", {200, R"({"cancelled":false})"}}},
                             seen_, mutex_));
  const auto abilities = await(instance(server.url())->probe(in(20)));
  ASSERT_TRUE(abilities.ok()) << abilities.status();
  EXPECT_EQ(abilities->version, "0.33.0");
  EXPECT_TRUE(abilities->own_prompt_ids && abilities->targeted_interrupt && abilities->atomic_cancel &&
              abilities->jobs_api);
  EXPECT_THAT(seen_, ::testing::Contains(R"(POST /api/jobs/cancel {"job_ids":[]})"));
}

TEST_F(HttpClientTest, ProbesOlderServers) {
  struct Case {
    std::string stats;
    bool features;
    bool own_ids;
    bool targeted;
  };
  const Case cases[] = {{R"({"system":{"comfyui_version":"0.3.64"}})", true, true, true},
                        {R"({"system":{"comfyui_version":"0.3.56"}})", true, true, false},
                        {R"({"system":{"comfyui_version":"unknown"}})", true, true, false},
                        {R"({"system":{"os":"posix"},"devices":[]})", false, false, false}};
  for (const auto& c : cases) {
    Answers answers = {{"GET /system_stats", {200, c.stats}},
                       {"POST /api/jobs/cancel", {405, "405: Method Not Allowed"}}};
    if (c.features) answers["GET /features"] = {200, "{}"};
    RawServer server(answering(answers, seen_, mutex_));
    const auto abilities = await(instance(server.url())->probe(in(20)));
    ASSERT_TRUE(abilities.ok()) << abilities.status();
    EXPECT_EQ(abilities->own_prompt_ids, c.own_ids) << c.stats;
    EXPECT_EQ(abilities->targeted_interrupt, c.targeted) << c.stats;
    EXPECT_FALSE(abilities->atomic_cancel);
    EXPECT_FALSE(abilities->jobs_api);
  }
}

TEST_F(HttpClientTest, APoisonedJobsListingIsNoObstacleAndAnotherServerIsNoComfyUI) {
  RawServer poisoned(answering({{"GET /system_stats", {200, R"({"system":{"comfyui_version":"0.33.0"}})"}},
                                {"GET /features", {200, "{}"}},
                                {"GET /api/jobs?limit=1", {500, "500 Internal Server Error"}},
                                {"POST /api/jobs/cancel", {200, R"({"cancelled":false})"}}},
                               seen_, mutex_));
  const auto abilities = await(instance(poisoned.url())->probe(in(20)));
  ASSERT_TRUE(abilities.ok()) << abilities.status();
  EXPECT_FALSE(abilities->jobs_api);
  EXPECT_TRUE(abilities->atomic_cancel);
  RawServer other(answering({{"GET /system_stats", {200, "<html>"}}}, seen_, mutex_));
  EXPECT_TRUE(absl::IsInvalidArgument(await(instance(other.url())->probe(in(20))).status()));
}

// What cancel() sends, by ability and by what /queue shows.
TEST_F(HttpClientTest, CancelUsesTheBestWayAndNeverHitsOthers) {
  const auto queue = [](std::string running, std::string pending) {
    const auto item = [](const std::string& id) { return id.empty() ? "[]" : "[[1,\"" + id + "\",{},{},[]]]"; };
    return "{\"queue_running\":" + item(running) + ",\"queue_pending\":" + item(pending) + "}";
  };
  const std::string deletion = R"(POST /queue {"delete":["me"]})";
  const std::string interruption = R"(POST /interrupt {"prompt_id":"me"})";
  struct Case {
    std::string name;
    bool atomic;
    bool targeted;
    std::string queue;
    std::vector<std::string> sent;
    absl::StatusCode code;
    bool shared = false;
  };
  const Case cases[] = {
      {"atomic", true, true, "", {"POST /api/jobs/me/cancel {}"}, absl::StatusCode::kOk},
      {"targeted, pending", false, true, queue("", ""), {deletion, "GET /queue"}, absl::StatusCode::kOk},
      {"targeted, running",
       false,
       true,
       queue("me", "x"),
       {deletion, "GET /queue", interruption},
       absl::StatusCode::kOk},
      {"targeted, other runs", false, true, queue("x", ""), {deletion, "GET /queue"}, absl::StatusCode::kOk},
      {"not deleted", false, true, queue("x", "me"), {deletion, "GET /queue"}, absl::StatusCode::kUnavailable},
      {"global, alone", false, false, queue("me", ""), {deletion, "GET /queue", interruption}, absl::StatusCode::kOk},
      {"global, not alone",
       false,
       false,
       queue("me", "x"),
       {deletion, "GET /queue"},
       absl::StatusCode::kFailedPrecondition},
      {"global, shared",
       false,
       false,
       queue("me", ""),
       {deletion, "GET /queue"},
       absl::StatusCode::kFailedPrecondition,
       true},
      {"targeted, shared",
       false,
       true,
       queue("me", "x"),
       {deletion, "GET /queue", interruption},
       absl::StatusCode::kOk,
       true},
      {"global, other runs", false, false, queue("x", ""), {deletion, "GET /queue"}, absl::StatusCode::kOk},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    seen_.clear();
    RawServer server(answering({{"POST /api/jobs/me/cancel", {200, R"({"cancelled":true})"}},
                                {"POST /queue", {200, ""}},
                                {"POST /interrupt", {200, ""}},
                                {"GET /queue", {200, c.queue}}},
                               seen_, mutex_));
    ports::ComfyAbilities abilities;
    abilities.atomic_cancel = c.atomic;
    abilities.targeted_interrupt = c.targeted;
    abilities.shared = c.shared;
    EXPECT_EQ(await(instance(server.url())->cancel("me", abilities, in(20))).code(), c.code);
    EXPECT_EQ(seen_, c.sent);
  }
  EXPECT_TRUE(absl::IsInvalidArgument(await(instance("http://127.0.0.1:1")->cancel("", {}, in(20)))));
}

TEST_F(HttpClientTest, TlsIsVerified) {
  const std::string certificate = testing::make_certificate("127.0.0.1");
  const auto script = [](RawConnection& connection) {
    if (connection.read_request()) connection.answer(200, kEmptyQueue);
  };
  RawServer server(script, certificate);
  RawServer misnamed(script, testing::make_certificate("example.test"));
  trust(certificate);
  EXPECT_TRUE(await(instance(server.url("https"))->queue(in(20))).ok());
  EXPECT_TRUE(absl::IsUnavailable(await(instance(misnamed.url("https"))->queue(in(20))).status()));
}

}  // namespace
}  // namespace renderyard
