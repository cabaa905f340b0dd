// Looks, downloads and cancels over libcurl, against scripted servers.
#include <string>
#include <vector>

#include "services/bridge/comfy/byte_channel.h"
#include "tests/integration/comfy/comfy_fixture.h"
#include "tests/integration/comfy/raw_server.h"

namespace renderyard {
namespace {

using testing::Flag;
using testing::RawConnection;
using testing::RawServer;

constexpr char kEmptyQueue[] = R"({"queue_running":[],"queue_pending":[]})";

class HttpClientTest : public testing::ComfyFixture {
 protected:
  // A server that answers by the request's line, any number of requests on a connection.
  using Answers = std::map<std::string, std::pair<int, std::string>>;
  static RawServer::Script answering(Answers answers, std::vector<std::string>& seen, std::mutex& mutex) {
    return [answers = std::move(answers), &seen, &mutex](RawConnection& connection) {
      while (auto request = connection.read_request()) {
        const auto line = request->line.substr(0, request->line.rfind(' '));
        {
          const std::lock_guard lock(mutex);
          seen.push_back(request->body.empty() ? line : line + " " + request->body);
        }
        const auto found = answers.find(line);
        const bool known = found != answers.end();
        connection.answer(known ? found->second.first : 404, known ? found->second.second : "404: Not Found");
      }
    };
  }

  absl::StatusOr<ports::FetchedFile> fetch(const std::string& url, std::string& into, double seconds = 20) {
    auto comfy = instance(url);
    domain::OutputFile file{
        .node_id = "9", .kind = "images", .filename = "a b/ä.png", .subfolder = "s", .type = "output"};
    return await(comfy->fetch(
        file,
        [&into](std::string_view chunk) {
          into += chunk;
          return absl::OkStatus();
        },
        in(seconds)));
  }

  std::mutex mutex_;
  std::vector<std::string> seen_;
};

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
      {429, absl::StatusCode::kUnavailable}, {403, absl::StatusCode::kUnavailable},
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
         R"({"x":{"prompt":[1,"x",{},{"renderyard":{"execution_id":"7"}},[]]},"y":{"prompt":[2,"y",{},{},[]]}})"}}},
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
  EXPECT_EQ(recent->front().execution_id, "7");
}

TEST_F(HttpClientTest, FetchStreamsInOrderAndWhole) {
  std::string file;
  for (int i = 0; file.size() < (std::size_t{24} << 20); ++i) file += std::to_string(i) + ",";
  std::string line;
  RawServer server([&](RawConnection& connection) {
    line = connection.read_request()->line;
    connection.answer(200, file, "image/png");
  });
  std::string got;
  const auto fetched = fetch(server.url(), got);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(fetched->version.size_bytes, static_cast<std::int64_t>(file.size()));
  EXPECT_EQ(fetched->content_type, "image/png");
  EXPECT_TRUE(got == file);
  EXPECT_EQ(line, "GET /view?filename=a%20b%2F%C3%A4.png&subfolder=s&type=output HTTP/1.1");
}

TEST_F(HttpClientTest, AFilesVersionIsReadWithItAndWithoutIt) {
  std::vector<std::string> lines;
  RawServer server([&](RawConnection& connection) {
    while (const auto request = connection.read_head()) {
      const bool head = request->line.starts_with("HEAD ");
      lines.push_back(request->line.substr(0, request->line.find('?')));
      connection.send(std::string("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 5\r\n") +
                      "Last-Modified: Sat, 21 Nov 2026 00:45:44 GMT\r\nETag: " + (head ? "W/" : "") +
                      "\"18e9-5\"\r\n\r\n" + (head ? "" : "bytes"));
    }
  });
  std::string got;
  const auto fetched = fetch(server.url(), got);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ(got, "bytes");
  EXPECT_EQ(fetched->version.etag, "\"18e9-5\"");
  EXPECT_EQ(fetched->version.modified_at,
            absl::FromCivil(absl::CivilSecond(2026, 11, 21, 0, 45, 44), absl::UTCTimeZone()));
  auto comfy = instance(server.url());
  const domain::OutputFile file{.node_id = "", .kind = "", .filename = "f", .subfolder = "", .type = "output"};
  const auto version = await(comfy->version(file, in(20)));
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_EQ(version->size_bytes, 5);
  EXPECT_EQ(version->etag, fetched->version.etag);
  EXPECT_EQ(version->modified_at, fetched->version.modified_at);
  EXPECT_FALSE(fetched->version.changed_to(*version));
  EXPECT_EQ(lines, (std::vector<std::string>{"GET /view", "HEAD /view"}));
}

TEST_F(HttpClientTest, AVersionThatAServerDoesNotTellProvesNothing) {
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  });
  auto comfy = instance(server.url());
  const domain::OutputFile file{.node_id = "", .kind = "", .filename = "f", .subfolder = "", .type = "output"};
  const auto version = await(comfy->version(file, in(20)));
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_FALSE(version->size_bytes || version->etag || version->modified_at);
  const ports::FileVersion known{.size_bytes = 5, .modified_at = absl::UnixEpoch(), .etag = "\"1\""};
  EXPECT_FALSE(known.changed_to(*version));
  ports::FileVersion other = known;
  other.etag = "\"2\"";
  EXPECT_TRUE(known.changed_to(other));
  other = known;
  other.size_bytes = 6;
  EXPECT_TRUE(known.changed_to(other));
  other = known;
  other.modified_at = absl::UnixEpoch() + absl::Seconds(1);
  EXPECT_TRUE(known.changed_to(other));
  RawServer refusing([&](RawConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
  });
  auto without_head = instance(refusing.url());
  EXPECT_TRUE(absl::IsNotFound(await(without_head->version(file, in(20))).status()));
}

TEST_F(HttpClientTest, AFileThatEndsEarlyIsDataLoss) {
  for (const bool reset : {false, true}) {
    RawServer server([&](RawConnection& connection) {
      connection.read_request();
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + std::string(500, 'x'));
      if (reset) connection.reset();
    });
    std::string got;
    const auto fetched = fetch(server.url(), got);
    // After a reset nobody knows whether the half had been read by then.
    EXPECT_TRUE(absl::IsDataLoss(fetched.status()) || (reset && absl::IsUnavailable(fetched.status())))
        << fetched.status();
  }
}

TEST_F(HttpClientTest, AMissingFileIsNotFoundAndNothingReachesTheSink) {
  for (const int status : {404, 400}) {
    RawServer server([&](RawConnection& connection) {
      connection.read_request();
      connection.answer(status, "404: Not Found", "text/plain");
    });
    std::string got;
    EXPECT_TRUE(absl::IsNotFound(fetch(server.url(), got).status())) << status;
    EXPECT_EQ(got, "");
  }
}

TEST_F(HttpClientTest, AnErrorOfTheSinkEndsTheTransfer) {
  Flag gone;
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    // More than is ever buffered: it ends only because the client goes.
    if (!connection.answer(200, std::string(std::size_t{256} << 20, 'x'))) gone.set();
  });
  auto comfy = instance(server.url());
  const auto fetched = await(comfy->fetch(
      {.node_id = "", .kind = "", .filename = "f", .subfolder = "", .type = "output"},
      [](std::string_view) { return absl::ResourceExhaustedError("full"); }, in(20)));
  EXPECT_EQ(fetched.status(), absl::ResourceExhaustedError("full"));
  EXPECT_TRUE(gone.wait());
}

TEST_F(HttpClientTest, ByteChannelRefusesWhenFullAndCallsWhenThereIsRoom) {
  int room = 0;
  comfy::ByteChannel channel(strand_, 10, [&room] { ++room; });
  EXPECT_TRUE(channel.write(std::string(100, 'a')));  // an empty one takes any chunk
  EXPECT_FALSE(channel.write("b"));
  EXPECT_EQ(**await(channel.next()), std::string(100, 'a'));
  EXPECT_EQ(room, 1);
  EXPECT_TRUE(channel.write("12345"));
  EXPECT_TRUE(channel.write("67890"));
  EXPECT_FALSE(channel.write("x"));
  EXPECT_EQ(**await(channel.next()), "12345");
  EXPECT_EQ(room, 2);
  EXPECT_EQ(**await(channel.next()), "67890");
  channel.end();
  EXPECT_EQ(*await(channel.next()), std::nullopt);
  EXPECT_EQ(room, 2);
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
