// The moments that a POST must not pass: by which it must have begun, and its deadline. Whatever the outcome calls not
// sent no server can ever read as a whole, however late it reads and however large the body is.
#include <signal.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "tests/integration/bridge/bridge_lab.h"
#include "tests/integration/bridge/graphs.h"
#include "tests/integration/comfy/comfy_fixture.h"
#include "tests/integration/comfy/raw_server.h"

namespace renderyard::testing {
namespace {

using ports::ExecutionState;
using Kind = domain::PostOutcome::Kind;
using Verdict = domain::PostVerdict::Kind;

// What a server read of a request, at any time.
struct Reading {
  std::atomic<bool> anything{false};
  std::atomic<bool> whole{false};
};

class PostDeadlineTest : public ComfyFixture {
 protected:
  // The scripted server's OpenSSL writes to connections that are gone.
  static void SetUpTestSuite() { ::signal(SIGPIPE, SIG_IGN); }

  domain::PostOutcome post(const std::string& url, std::string body, absl::Time begin_by, absl::Time deadline) {
    const auto comfy = instance(url);
    return await(comfy->post_prompt(std::move(body), begin_by, deadline));
  }
  static void read(RawConnection& connection, Reading& reading) {
    if (!connection.read_exactly(1)) return;
    reading.anything = true;
    // The first byte is gone; the rest has all that counts.
    if (connection.read_request()) reading.whole = true;
  }
};

TEST_F(PostDeadlineTest, NothingIsSentWhenItMayNotBeginAnyMore) {
  const std::string certificate = make_certificate("127.0.0.1");
  trust(certificate);
  for (const bool tls : {false, true}) {
    SCOPED_TRACE(tls);
    Reading reading;
    RawServer server([&](RawConnection& connection) { read(connection, reading); }, tls ? certificate : "");
    const std::string url = server.url(tls ? "https" : "http");
    for (const absl::Time begin_by : {clock_.now(), in(-5), absl::InfinitePast()}) {
      const auto outcome = post(url, R"({"prompt":{}})", begin_by, in(20));
      EXPECT_EQ(outcome.kind, Kind::kConnectFailed);
      const auto verdict = domain::classify_post(outcome);
      EXPECT_EQ(verdict.kind, Verdict::kNotAccepted);
      EXPECT_EQ(verdict.proof, "connect_failed");
      EXPECT_FALSE(verdict.instance_misconfigured);
    }
    server.finish();
    EXPECT_FALSE(reading.anything);
  }
}

TEST_F(PostDeadlineTest, AMomentThatPassesWhileTheConnectionIsMadeIsHeldToo) {
  // Speaks no TLS, so the handshake lasts until it ends: after the moment has passed.
  Flag passed;
  std::string said;
  RawServer server([&](RawConnection& connection) {
    passed.wait();
    connection.end_sending();
    while (const auto byte = connection.read_exactly(1)) said += *byte;
  });
  const absl::Time begin_by = in(0.2);
  clock_.call_at(begin_by, [&passed] { passed.set(); });
  const auto outcome = post(server.url("https"), R"({"prompt":"secret-text"})", begin_by, in(20));
  EXPECT_EQ(outcome.kind, Kind::kConnectFailed);
  EXPECT_GE(clock_.now(), begin_by);
  server.finish();
  EXPECT_THAT(said, ::testing::Not(::testing::HasSubstr("POST"))) << "in clear";
}

TEST_F(PostDeadlineTest, ABeginningJustInTimeIsSentWithItsWholeBody) {
  std::string seen;
  RawServer server([&](RawConnection& connection) {
    seen = connection.read_request().value_or(RawRequest()).body;
    connection.answer(200, R"({"prompt_id":"p"})");
  });
  EXPECT_EQ(post(server.url(), R"({"prompt":{}})", in(5), in(20)).kind, Kind::kAnswered);
  server.finish();
  EXPECT_EQ(seen, R"({"prompt":{}})");
}

// Sizes below, around and above what the buffers of two kernels hold: where the last byte left them, and where not.
TEST_F(PostDeadlineTest, WhatIsCalledNotSentIsNeverReadAsAWholeByAServerThatReadsLater) {
  const std::string certificate = make_certificate("127.0.0.1");
  trust(certificate);
  int not_sent = 0;
  int unclear = 0;
  for (const bool tls : {false, true}) {
    for (const std::size_t kib : {1, 64, 512, 1024, 2048, 3072, 4096, 5120, 6144, 8192, 16384}) {
      SCOPED_TRACE(std::to_string(kib) + (tls ? " KiB by TLS" : " KiB"));
      Flag given_up;
      Reading reading;
      RawServer server(
          [&](RawConnection& connection) {
            given_up.wait();
            read(connection, reading);
          },
          tls ? certificate : "");
      const auto outcome =
          post(server.url(tls ? "https" : "http"), std::string(kib << 10, 'x'), absl::InfiniteFuture(), in(0.3));
      given_up.set();
      server.finish();
      if (outcome.kind == Kind::kNotSent) {
        ++not_sent;
        EXPECT_FALSE(reading.whole) << "it may run, and will be sent again";
        EXPECT_EQ(domain::classify_post(outcome).kind, Verdict::kNotAccepted);
      } else {
        ++unclear;
        EXPECT_EQ(outcome.kind, Kind::kUnclear);
        EXPECT_EQ(domain::classify_post(outcome).kind, Verdict::kUnclear);
      }
    }
  }
  EXPECT_GE(not_sent, 2) << "no size was too large for the buffers";
  EXPECT_GE(unclear, 2) << "no size fitted into the buffers";
}

// The same with a server that reads at any moment around the deadline.
TEST_F(PostDeadlineTest, AServerThatBeginsToReadAroundTheDeadlineNeverReadsAWholeOfWhatIsCalledNotSent) {
  const std::string body(std::size_t{12} << 20, 'x');
  int answered = 0;
  for (const double begins : {0.0, 0.15, 0.19, 0.195, 0.2, 0.205, 0.21, 0.3}) {
    SCOPED_TRACE(begins);
    Flag begin;
    Reading reading;
    RawServer server([&](RawConnection& connection) {
      begin.wait();
      read(connection, reading);
      if (reading.whole) connection.answer(200, R"({"prompt_id":"p"})");
      connection.read_to_end();
    });
    clock_.call_at(in(begins), [&begin] { begin.set(); });
    const double patience = begins == 0.0 ? 20 : 0.2;  // one of them is to be in time, however busy the machine is
    const auto outcome = post(server.url(), body, absl::InfiniteFuture(), in(patience));
    while (!begin.is_set()) io_.run_one();
    server.finish();
    if (outcome.kind == Kind::kNotSent) EXPECT_FALSE(reading.whole);
    if (outcome.kind == Kind::kAnswered) {
      ++answered;
      EXPECT_TRUE(reading.whole);
    }
  }
  EXPECT_GE(answered, 1) << "not even one that reads at once";
}

// A workflow that is larger than what the kernels hold, at a server that does not begin to read before the deadline.
std::string large_graph(int color) {
  std::string graph = simple_graph(color);
  graph.insert(graph.size() - 1,
               "," + node(8, "BridgeText", R"("text":")" + std::string(std::size_t{12} << 20, 'x') + R"(","seed":1)"));
  return graph;
}

class LateReaderTest : public ::testing::TestWithParam<const char*> {
 protected:
  static void hurry(bridge::Config& config) {
    config.post_deadline = absl::Seconds(1);
    config.request_deadline = absl::Seconds(5);
  }
  BridgeLab lab_{{"--generation", GetParam()}, BridgeLab::Way{.settings = hurry}};
};

INSTANTIATE_TEST_SUITE_P(Releases, LateReaderTest, ::testing::Values("2024-06-30", "0.33.0"),
                         [](const auto& param) { return std::string(param.param) == "0.33.0" ? "Newest" : "Oldest"; });

TEST_P(LateReaderTest, APostThatHadNotLeftAtItsDeadlineIsNotAcceptedNowOrLater) {
  ASSERT_TRUE(lab_.until_connected());
  lab_.fault(R"({"fault":"read_late","delay_ms":3000,"count":1})");
  const absl::Time posted = absl::Now();
  const auto execution = lab_.order(large_graph(1));
  ASSERT_TRUE(lab_.until_final(execution));
  EXPECT_EQ(lab_.row(execution).state, ExecutionState::kNotAccepted);
  EXPECT_EQ(lab_.row(execution).outcome_proof, "not_sent");
  EXPECT_LT(absl::Now() - posted, absl::Seconds(3)) << "it was not waited for the server";
  // The server reads what has come, and it is not enough.
  ASSERT_TRUE(lab_.until([&] { return absl::Now() > posted + absl::Seconds(4); }));
  ASSERT_TRUE(lab_.until_connected());
  const auto again = lab_.order(large_graph(1));
  ASSERT_TRUE(lab_.until_final(again));
  EXPECT_EQ(lab_.row(again).state, ExecutionState::kCompleted);
  EXPECT_EQ(lab_.ledger("accepted", execution), 0);
  EXPECT_EQ(lab_.ledger("accepted"), 1);
  EXPECT_EQ(lab_.ledger("started"), 1);
}

}  // namespace
}  // namespace renderyard::testing
