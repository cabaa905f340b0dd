// The live feed over a real socket: upgrade, tokens, snapshot and resume, named ends.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "cli/feed_client.h"
#include "tests/integration/gateway/gateway_fixture.h"

namespace renderyard::gateway {
namespace {

class GatewayWebSocketTest : public GatewayTest {
 protected:
  std::unique_ptr<cli::FeedClient> open(const std::string& token = kAnnaToken) const {
    auto feed = cli::open_feed(base(), token);
    EXPECT_TRUE(feed.ok()) << feed.status();
    return feed.ok() ? *std::move(feed) : nullptr;
  }
  // The next message; null when the connection ended or nothing came.
  static boost::json::value next(cli::FeedClient& feed) {
    const auto message = feed.receive(absl::Seconds(10));
    if (!message.ok() || !message->has_value()) return nullptr;
    return boost::json::parse(**message);
  }
  static std::string type_of(const boost::json::value& message) {
    return message.is_object() ? std::string(message.at("type").as_string().c_str()) : "";
  }
  void submit() { ASSERT_EQ(client().post("/api/v1/jobs", good_body())->status, 201); }
};

TEST_F(GatewayWebSocketTest, WithoutATokenThereIsNoSocket) {
  EXPECT_TRUE(absl::IsUnauthenticated(cli::open_feed(base(), "wrong").status()));
}

TEST_F(GatewayWebSocketTest, SnapshotThenEventsThenResumeWithThePosition) {
  submit();
  auto feed = open();
  const auto hello = next(*feed);
  EXPECT_EQ(type_of(hello), "hello");
  EXPECT_EQ(hello.at("user").as_string(), "anna");
  ASSERT_TRUE(feed->send(R"({"type":"subscribe","jobs":"own"})").ok());
  const auto snapshot = next(*feed);
  ASSERT_EQ(type_of(snapshot), "snapshot");
  ASSERT_EQ(snapshot.at("jobs").as_array().size(), 1u);
  EXPECT_EQ(snapshot.at("jobs").at(0).at("id").as_int64(), 1);
  EXPECT_FALSE(snapshot.at("more").as_bool());
  submit();
  const auto event = next(*feed);
  EXPECT_EQ(type_of(event), "job_submitted");
  EXPECT_EQ(event.at("job_id").as_int64(), 2);
  EXPECT_EQ(event.at("seq").as_int64(), 1);
  const std::string position = event.at("position").as_string().c_str();
  feed.reset();
  ASSERT_EQ(client().post("/api/v1/jobs/2/cancel", "")->status, 204);

  auto again = open();
  EXPECT_EQ(type_of(next(*again)), "hello");
  ASSERT_TRUE(again->send(R"({"type":"subscribe","jobs":"own","since":")" + position + "\"}").ok());
  EXPECT_EQ(type_of(next(*again)), "resumed");
  const auto missed = next(*again);
  EXPECT_EQ(type_of(missed), "job_cancel_requested");
  EXPECT_EQ(missed.at("seq").as_int64(), 2);
}

TEST_F(GatewayWebSocketTest, EventsOfOthersDoNotCome) {
  auto feed = open(kBertToken);
  EXPECT_EQ(type_of(next(*feed)), "hello");
  ASSERT_TRUE(feed->send(R"({"type":"subscribe"})").ok());
  EXPECT_EQ(type_of(next(*feed)), "snapshot");
  submit();  // Anna's
  ASSERT_EQ(client(kBertToken).post("/api/v1/jobs", good_body())->status, 201);
  EXPECT_EQ(next(*feed).at("job_id").as_int64(), 2);
}

TEST_F(GatewayWebSocketTest, WhatCannotBeServedIsNamedAndEnds) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"{", "malformed_json"},
      {R"({"type":"shout"})", "invalid_field"},
      {R"({"type":"subscribe","job":1})", "unknown_field"},
      {R"({"type":"subscribe","jobs":[]})", "invalid_field"},
      {R"({"type":"subscribe","jobs":"all"})", "forbidden"},
      {R"({"type":"subscribe","jobs":[77]})", "not_found"},
      {R"({"type":"subscribe","since":"11111111-3f5c-4b0e-9d0e-6d5a0f6b7c11-1"})", "position_expired"},
  };
  for (const auto& [text, code] : table) {
    auto feed = open();
    EXPECT_EQ(type_of(next(*feed)), "hello");
    ASSERT_TRUE(feed->send(text).ok());
    const auto error = next(*feed);
    ASSERT_EQ(type_of(error), "error") << text;
    EXPECT_EQ(error.at("code").as_string(), code.c_str()) << text;
    EXPECT_FALSE(feed->receive(absl::Seconds(10)).ok()) << "the connection must end: " << text;
  }
}

TEST_F(GatewayWebSocketTest, ASecondSubscriptionNeedsAnotherConnection) {
  auto feed = open();
  EXPECT_EQ(type_of(next(*feed)), "hello");
  ASSERT_TRUE(feed->send(R"({"type":"subscribe"})").ok());
  EXPECT_EQ(type_of(next(*feed)), "snapshot");
  ASSERT_TRUE(feed->send(R"({"type":"subscribe"})").ok());
  EXPECT_EQ(type_of(next(*feed)), "error");
}

TEST_F(GatewayWebSocketTest, WhoNeverSubscribesIsHungUpOn) {
  start([](Config&, http::ServerConfig& server) { server.ws.subscribe_timeout = absl::Milliseconds(200); });
  auto feed = open();
  EXPECT_EQ(type_of(next(*feed)), "hello");
  EXPECT_FALSE(feed->receive(absl::Seconds(10)).ok());
}

TEST_F(GatewayWebSocketTest, ARevokedTokenEndsTheFeed) {
  start([](Config& config, http::ServerConfig& server) {
    config.auth_ttl = absl::ZeroDuration();
    config.feed.heartbeat = absl::Milliseconds(100);
    server.ws.reauthenticate = absl::Milliseconds(100);
  });
  auto feed = open();
  EXPECT_EQ(type_of(next(*feed)), "hello");
  ASSERT_TRUE(feed->send(R"({"type":"subscribe"})").ok());
  EXPECT_EQ(type_of(next(*feed)), "snapshot");
  on_strand([this] { backend_->database.revoke_token(sha256_hex(kAnnaToken)); });
  boost::json::value message = next(*feed);
  while (type_of(message) == "heartbeat") message = next(*feed);
  ASSERT_EQ(type_of(message), "error");
  EXPECT_EQ(message.at("code").as_string(), "unauthenticated");
}

TEST_F(GatewayWebSocketTest, AStopSaysSo) {
  auto feed = open();
  EXPECT_EQ(type_of(next(*feed)), "hello");
  ASSERT_TRUE(feed->send(R"({"type":"subscribe"})").ok());
  EXPECT_EQ(type_of(next(*feed)), "snapshot");
  on_strand([this] {
    backend_->server->stop();
    backend_->logic->stop();
  });
  const auto error = next(*feed);
  ASSERT_EQ(type_of(error), "error");
  EXPECT_EQ(error.at("code").as_string(), "unavailable");
  EXPECT_FALSE(feed->receive(absl::Seconds(10)).ok());
}

TEST_F(GatewayWebSocketTest, BrowsersBringTheirTokenAsAProtocol) {
  const auto upgrade = [this](const std::string& protocols) {
    return raw(
        "GET /api/v1/ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: " +
            protocols + "\r\n\r\n",
        "\r\n\r\n");
  };
  const std::string good = upgrade(std::string("renderyard, bearer.") + kAnnaToken);
  EXPECT_TRUE(good.starts_with("HTTP/1.1 101 ")) << good;
  EXPECT_NE(good.find("Sec-WebSocket-Protocol: renderyard\r\n"), std::string::npos) << good;
  EXPECT_EQ(good.find(kAnnaToken), std::string::npos) << "the token must not come back";
  EXPECT_TRUE(upgrade("renderyard, bearer.wrong").starts_with("HTTP/1.1 401 "));
}

}  // namespace
}  // namespace renderyard::gateway
