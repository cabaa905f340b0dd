// POST /prompt against servers that misbehave in every way that matters: it is sent once, and the outcome says exactly
// how far it came.
#include <string>

#include "tests/integration/comfy/comfy_fixture.h"
#include "tests/integration/comfy/raw_server.h"

namespace renderyard {
namespace {

using testing::Flag;
using testing::RawConnection;
using testing::RawServer;
using Kind = domain::PostOutcome::Kind;

class PromptPostTest : public testing::ComfyFixture {
 protected:
  domain::PostOutcome post(const std::string& url, std::string body, double seconds = 20) {
    auto comfy = instance(url);
    auto outcome = await(comfy->post_prompt(std::move(body), absl::InfiniteFuture(), in(seconds)));
    return outcome;
  }
  // More than any pair of socket buffers holds.
  static std::string large() { return std::string(std::size_t{64} << 20, 'x'); }
};

TEST_F(PromptPostTest, SendsOneRequestAndReadsTheAnswer) {
  testing::RawRequest seen;
  RawServer server([&](RawConnection& connection) {
    seen = *connection.read_request();
    connection.answer(200, R"({"prompt_id":"p","number":1,"node_errors":{}})");
    connection.read_to_end();
  });
  const auto outcome = post(server.url() + "/base", R"({"prompt":{}})");
  server.finish();
  EXPECT_EQ(outcome.kind, Kind::kAnswered);
  EXPECT_EQ(outcome.http_status, 200);
  EXPECT_EQ(outcome.content_type, "application/json");
  EXPECT_EQ(domain::classify_post(outcome).prompt_id, "p");
  EXPECT_EQ(seen.line, "POST /base/prompt HTTP/1.1");
  EXPECT_EQ(seen.body, R"({"prompt":{}})");
  EXPECT_EQ(seen.headers["host"], "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(seen.headers["content-type"], "application/json");
  EXPECT_EQ(seen.headers["connection"], "close");
  EXPECT_FALSE(seen.headers.contains("origin"));
  EXPECT_FALSE(seen.headers.contains("expect"));
  EXPECT_FALSE(seen.headers.contains("transfer-encoding"));
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(PromptPostTest, ALargeBodyArrivesWhole) {
  std::string seen;
  RawServer server([&](RawConnection& connection) {
    seen = connection.read_request()->body;
    connection.answer(200, R"({"prompt_id":"p"})");
  });
  const std::string body = large();
  EXPECT_EQ(post(server.url(), body).kind, Kind::kAnswered);
  server.finish();
  EXPECT_TRUE(seen == body);
}

TEST_F(PromptPostTest, ReadAndClosedWithoutAnAnswerIsUnclearAndNotRepeated) {
  RawServer server([&](RawConnection& connection) { connection.read_request(); });
  EXPECT_EQ(post(server.url(), "{}").kind, Kind::kUnclear);
  server.finish();
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(PromptPostTest, ReadAndResetIsUnclear) {
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    connection.reset();
  });
  EXPECT_EQ(post(server.url(), "{}").kind, Kind::kUnclear);
  server.finish();
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(PromptPostTest, ASmallBodyThatWasHandedOverIsUnclearEvenWhenNobodyReadIt) {
  Flag sent;
  RawServer server([&](RawConnection& connection) {
    // Not a byte is taken from the connection; that bytes are there is all the script knows.
    connection.read_head();
    connection.reset();
  });
  EXPECT_EQ(post(server.url(), "{}").kind, Kind::kUnclear);
}

TEST_F(PromptPostTest, ResetBeforeTheBodyWasHandedOverProvesThatItWasNotSent) {
  RawServer server([&](RawConnection& connection) {
    connection.read_head();
    connection.reset();
  });
  const auto outcome = post(server.url(), large());
  EXPECT_EQ(outcome.kind, Kind::kNotSent);
  EXPECT_FALSE(outcome.error.empty());
  server.finish();
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(PromptPostTest, NoAnswerUntilTheDeadlineIsUnclearAndTheConnectionIsGone) {
  Flag gone;
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    if (connection.read_to_end()) gone.set();
  });
  EXPECT_EQ(post(server.url(), "{}", 0.3).kind, Kind::kUnclear);
  EXPECT_TRUE(gone.wait());
  server.finish();
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(PromptPostTest, NotReadUntilTheDeadlineIsNotSent) {
  Flag over;
  RawServer server([&](RawConnection&) { over.wait(); });
  EXPECT_EQ(post(server.url(), large(), 0.5).kind, Kind::kNotSent);
  over.set();
}

TEST_F(PromptPostTest, HalfAnAnswerIsNone) {
  for (const std::string half :
       {"HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"prompt_id\"",
        "not even HTTP\r\n\r\n"}) {
    RawServer server([&](RawConnection& connection) {
      connection.read_request();
      connection.send(half);
    });
    EXPECT_EQ(post(server.url(), "{}").kind, Kind::kUnclear) << half;
  }
}

TEST_F(PromptPostTest, AnEarlyRefusalCountsAsTheAnswer) {
  RawServer server([&](RawConnection& connection) {
    connection.read_head();
    connection.answer(413, "Maximum request body size 104857600 exceeded, actual body size 104941993", "text/plain");
    connection.end_sending();
    connection.read_to_end();
  });
  const auto outcome = post(server.url(), large());
  EXPECT_EQ(outcome.kind, Kind::kAnswered);
  EXPECT_EQ(domain::classify_post(outcome).kind, domain::PostVerdict::Kind::kRefused);
}

TEST_F(PromptPostTest, AnEarlyServerErrorOnlyProvesThatTheRequestWasNotWhole) {
  RawServer server([&](RawConnection& connection) {
    connection.read_head();
    connection.answer(503, "busy", "text/plain");
    connection.read_to_end();
  });
  const auto outcome = post(server.url(), large());
  EXPECT_EQ(outcome.kind, Kind::kNotSent);
  EXPECT_EQ(outcome.http_status, 503);
}

TEST_F(PromptPostTest, AServerErrorAfterTheWholeRequestStaysUnclear) {
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    connection.answer(500, "500 Internal Server Error", "text/plain");
  });
  const auto outcome = post(server.url(), "{}");
  EXPECT_EQ(outcome.kind, Kind::kAnswered);
  EXPECT_EQ(domain::classify_post(outcome).kind, domain::PostVerdict::Kind::kUnclear);
}

TEST_F(PromptPostTest, RedirectsAreNotFollowed) {
  RawServer other([](RawConnection& connection) { connection.read_request(); });
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 307 Moved\r\nLocation: " + other.url() + "/prompt\r\nContent-Length: 0\r\n\r\n");
  });
  const auto outcome = post(server.url(), "{}");
  EXPECT_EQ(outcome.kind, Kind::kAnswered);
  EXPECT_EQ(outcome.http_status, 307);
  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(other.connections(), 0);
}

TEST_F(PromptPostTest, InterimAnswersAreSkipped) {
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    connection.send("HTTP/1.1 100 Continue\r\n\r\n");
    connection.answer(200, R"({"prompt_id":"p"})");
  });
  const auto outcome = post(server.url(), "{}");
  EXPECT_EQ(outcome.http_status, 200);
  EXPECT_EQ(outcome.body, R"({"prompt_id":"p"})");
}

TEST_F(PromptPostTest, NoConnectionIsProof) {
  EXPECT_EQ(post("http://127.0.0.1:" + std::to_string(testing::closed_port()), "{}").kind, Kind::kConnectFailed);
  EXPECT_EQ(post("http://no-such-host.invalid:8188", "{}").kind, Kind::kConnectFailed);
  EXPECT_EQ(post("ftp://127.0.0.1", "{}").kind, Kind::kConnectFailed);
  EXPECT_EQ(post("http://127.0.0.1:1", "{}", -1).kind, Kind::kConnectFailed);
}

TEST_F(PromptPostTest, ACancelledCallerGetsUnclearAndTheConnectionIsGone) {
  Flag read;
  Flag gone;
  RawServer server([&](RawConnection& connection) {
    connection.read_request();
    read.set();
    if (connection.read_to_end()) gone.set();
  });
  auto comfy = instance(server.url());
  struct Poster {
    static base::Task<absl::Status> run(ports::ComfyInstance& comfy, absl::Time deadline,
                                        domain::PostOutcome& outcome) {
      outcome = co_await comfy.post_prompt("{}", absl::InfiniteFuture(), deadline);
      co_return absl::OkStatus();
    }
  };
  domain::PostOutcome outcome;
  base::Group group(strand_);
  group.spawn(Poster::run(*comfy, in(20), outcome));
  io_.run_one();
  ASSERT_TRUE(read.wait());
  group.cancel();
  const auto joined = await(group.join());
  EXPECT_TRUE(joined.ok()) << joined;
  EXPECT_EQ(outcome.kind, Kind::kUnclear);
  EXPECT_EQ(outcome.error, "cancelled");
  EXPECT_TRUE(gone.wait());
  server.finish();
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(PromptPostTest, TlsIsVerified) {
  const std::string certificate = testing::make_certificate("127.0.0.1");
  std::string seen;
  RawServer server(
      [&](RawConnection& connection) {
        seen = connection.read_request()->body;
        connection.answer(200, R"({"prompt_id":"p"})");
      },
      certificate);
  RawServer misnamed([](RawConnection& connection) { connection.read_request(); },
                     testing::make_certificate("example.test"));
  trust(certificate);
  EXPECT_EQ(post(server.url("https"), "{}").kind, Kind::kAnswered);
  EXPECT_EQ(post(misnamed.url("https"), "{}").kind, Kind::kConnectFailed);
  server.finish();
  EXPECT_EQ(seen, "{}");
}

TEST_F(PromptPostTest, TlsOfAnUnknownSignerIsRefused) {
  RawServer server([](RawConnection& connection) { connection.read_request(); },
                   testing::make_certificate("127.0.0.1"));
  EXPECT_EQ(post(server.url("https"), "{}").kind, Kind::kConnectFailed);
}

}  // namespace
}  // namespace renderyard
