// REST over a real port: status codes, problem bodies, bounds, connections.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "tests/integration/gateway/gateway_fixture.h"

namespace renderyard::gateway {
namespace {

using cli::HttpAnswer;

class GatewayHttpTest : public GatewayTest {
 protected:
  static void expect_problem(const absl::StatusOr<HttpAnswer>& answer, int status, const std::string& code,
                             const std::string& field = "") {
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->status, status) << answer->body;
    EXPECT_EQ(answer->headers.at("content-type"), "application/problem+json");
    const auto body = boost::json::parse(answer->body);
    EXPECT_EQ(body.at("code").as_string(), code.c_str()) << answer->body;
    EXPECT_EQ(body.at("status").as_int64(), status);
    EXPECT_TRUE(body.at("type").as_string().starts_with("urn:renderyard:problem:"));
    EXPECT_FALSE(body.at("title").as_string().empty());
    EXPECT_FALSE(body.at("detail").as_string().empty());
    if (!field.empty()) {
      EXPECT_EQ(body.at("field").as_string(), field.c_str());
    }
  }
  std::size_t stored() {
    return on_strand([this] { return backend_->database.tables().jobs.size(); });
  }
  std::string header(const std::string& method, const std::string& target, const std::string& more = "") const {
    return method + " " + target + " HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + kAnnaToken + "\r\n" + more;
  }
};

TEST_F(GatewayHttpTest, HealthIsTheOnlyOpenDoor) {
  auto stranger = client("nobody");
  const auto health = stranger.get("/healthz");
  ASSERT_TRUE(health.ok());
  EXPECT_EQ(health->status, 200);
  for (const std::string path : {"/", "/api/v1/jobs", "/api/v1/jobs/1", "/api/v1/nothing", "/api/v1/ws"}) {
    const auto answer = stranger.get(path);
    expect_problem(answer, 401, "unauthenticated");
    EXPECT_EQ(answer->headers.at("www-authenticate"), "Bearer realm=\"renderyard\"") << path;
  }
  expect_problem(client("").get("/api/v1/jobs"), 401, "unauthenticated");
}

TEST_F(GatewayHttpTest, AJobIsStoredAndShownAsItWasSent) {
  auto http = client();
  const auto created = http.post("/api/v1/jobs", good_body(R"(,"priority":5,"metadata":{"k":"v"},"name":"first")"));
  ASSERT_TRUE(created.ok()) << created.status();
  ASSERT_EQ(created->status, 201) << created->body;
  EXPECT_EQ(created->headers.at("location"), "/api/v1/jobs/1");
  const auto submitted = boost::json::parse(created->body);
  EXPECT_EQ(submitted.at("status").as_string(), "pending");
  const std::string uid = submitted.at("uid").as_string().c_str();

  const auto shown = http.get("/api/v1/jobs/1");
  ASSERT_EQ(shown->status, 200) << shown->body;
  EXPECT_NE(shown->body.find(kWorkflow), std::string::npos) << "the workflow must be the text that was sent";
  const auto job = boost::json::parse(shown->body);
  EXPECT_EQ(job.at("priority").as_int64(), 5);
  EXPECT_EQ(job.at("metadata").at("k").as_string(), "v");
  EXPECT_EQ(job.at("name").as_string(), "first");
  EXPECT_TRUE(job.at("error").is_null());
  EXPECT_TRUE(job.at("operator_note").is_null());
  EXPECT_EQ(job.at("submitted_at").as_string().size(), std::string("2026-01-02T03:04:05.678Z").size());
  EXPECT_EQ(http.get("/api/v1/jobs/" + uid)->body, shown->body);
}

TEST_F(GatewayHttpTest, BadBodiesAreRefusedAndStoreNothing) {
  auto http = client();
  expect_problem(http.post("/api/v1/jobs", "{"), 400, "malformed_json");
  expect_problem(http.post("/api/v1/jobs", good_body(R"(,"prio":1)")), 400, "unknown_field", "prio");
  expect_problem(http.post("/api/v1/jobs", good_body(R"(,"name":"a\u0000")")), 400, "unstorable_text");
  expect_problem(http.post("/api/v1/jobs", R"({"job_type":"t","parameters":{"workflow":{"nodes":[],"links":[]}}})"),
                 400, "ui_workflow", "parameters.workflow");
  expect_problem(http.post("/api/v1/jobs", good_body(), {{"Idempotency-Key", std::string(300, 'k')}}), 400,
                 "invalid_field", "Idempotency-Key");
  EXPECT_EQ(stored(), 0u);
}

TEST_F(GatewayHttpTest, TooLargeABodyIsRefused) {
  auto http = client();
  const std::string large = good_body(",\"name\":\"" + std::string(70'000, 'x') + "\"");
  expect_problem(http.post("/api/v1/jobs", large), 413, "body_too_large");
  // The same without its length being said beforehand.
  std::string chunked = header("POST", "/api/v1/jobs", "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  for (int i = 0; i < 9; ++i) chunked += "2000\r\n" + std::string(0x2000, ' ') + "\r\n";
  const std::string answer = raw(chunked + "0\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer.substr(0, 200);
  EXPECT_EQ(stored(), 0u);
}

TEST_F(GatewayHttpTest, AllBodiesTogetherAreBounded) {
  start([](Config&, http::ServerConfig& server) { server.max_bodies_bytes = 100; });
  const auto answer = client().post("/api/v1/jobs", good_body(R"(,"name":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")"));
  expect_problem(answer, 503, "unavailable");
  EXPECT_TRUE(answer->headers.contains("retry-after"));
}

TEST_F(GatewayHttpTest, AChunkedBodyIsReadWhole) {
  const std::string body = good_body();
  std::string request = header("POST", "/api/v1/jobs", "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  for (std::size_t at = 0; at < body.size(); at += 7) {
    const std::string piece = body.substr(at, 7);
    request += std::string(1, "01234567"[piece.size()]) + "\r\n" + piece + "\r\n";
  }
  const std::string answer = raw(request + "0\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 201 ")) << answer;
}

TEST_F(GatewayHttpTest, RequestsFollowEachOtherOnOneConnection) {
  const std::string one = header("GET", "/api/v1/jobs", "\r\n");
  const std::string last = header("GET", "/healthz", "Connection: close\r\n\r\n");
  const std::string missing = header("GET", "/api/v1/jobs/7", "\r\n");
  const std::string answer = raw(one + missing + one + last);
  std::size_t answers = 0;
  for (auto at = answer.find("HTTP/1.1 "); at != std::string::npos; at = answer.find("HTTP/1.1 ", at + 1)) ++answers;
  EXPECT_EQ(answers, 4u) << answer;
}

TEST_F(GatewayHttpTest, HeadSaysTheLengthOnly) {
  const std::string got = raw(header("GET", "/api/v1/jobs", "Connection: close\r\n\r\n"));
  const std::string head = raw(header("HEAD", "/api/v1/jobs", "Connection: close\r\n\r\n"));
  const auto end = got.find("\r\n\r\n") + 4;
  EXPECT_EQ(head, got.substr(0, end));
  EXPECT_NE(head.find("Content-Length: " + std::to_string(got.size() - end)), std::string::npos) << head;
}

TEST_F(GatewayHttpTest, WhatIsNotHttpOrNotThereIsSaid) {
  EXPECT_TRUE(raw("what is this\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(
      raw(header("GET", "/healthz", "X: " + std::string(20'000, 'x') + "\r\n\r\n")).starts_with("HTTP/1.1 431 "));
  auto http = client();
  expect_problem(http.get("/api/v1/nothing"), 404, "not_found");
  expect_problem(http.get("/api/v1/jobs/none"), 404, "not_found");
  const auto answer = http.post("/api/v1/jobs/1", "");
  expect_problem(answer, 405, "method_not_allowed");
  EXPECT_EQ(answer->headers.at("allow"), "GET, HEAD");
  EXPECT_EQ(http.get("/api/v1/ws")->status, 426);
}

TEST_F(GatewayHttpTest, TheSameKeyIsTheSameJob) {
  auto http = client();
  const auto first = http.post("/api/v1/jobs", good_body(), {{"Idempotency-Key", "order-7"}});
  const auto again = http.post("/api/v1/jobs", good_body(), {{"Idempotency-Key", "order-7"}});
  ASSERT_EQ(first->status, 201);
  ASSERT_EQ(again->status, 201);
  EXPECT_EQ(boost::json::parse(first->body).at("id"), boost::json::parse(again->body).at("id"));
  EXPECT_EQ(again->headers.at("idempotency-replayed"), "true");
  EXPECT_FALSE(first->headers.contains("idempotency-replayed"));
  expect_problem(http.post("/api/v1/jobs", good_body(R"(,"priority":1)"), {{"Idempotency-Key", "order-7"}}), 409,
                 "idempotency_key_reused");
  EXPECT_EQ(stored(), 1u);
}

TEST_F(GatewayHttpTest, AnUnansweredCommitIsSaidAndMayBeRepeated) {
  on_strand([this] { backend_->store.submit_unanswered = true; });
  auto http = client();
  const auto answer = http.post("/api/v1/jobs", good_body(), {{"Idempotency-Key", "k"}});
  expect_problem(answer, 503, "unavailable");
  EXPECT_TRUE(answer->headers.contains("retry-after"));
  EXPECT_NE(answer->body.find("may have been stored"), std::string::npos) << answer->body;
  on_strand([this] { backend_->store.submit_unanswered = false; });
  EXPECT_EQ(http.post("/api/v1/jobs", good_body(), {{"Idempotency-Key", "k"}})->status, 201);
  EXPECT_EQ(stored(), 1u);
}

TEST_F(GatewayHttpTest, ListsArePagedAndFiltered) {
  auto http = client();
  for (int i = 0; i < 5; ++i) ASSERT_EQ(http.post("/api/v1/jobs", good_body())->status, 201);
  ASSERT_EQ(client(kBertToken).post("/api/v1/jobs", good_body())->status, 201);
  std::vector<std::int64_t> ids;
  std::string cursor;
  for (int page = 0; page < 3; ++page) {
    const auto answer = http.get("/api/v1/jobs?limit=2&status=pending" + cursor);
    ASSERT_EQ(answer->status, 200) << answer->body;
    const auto list = boost::json::parse(answer->body);
    for (const auto& job : list.at("jobs").as_array()) {
      ids.push_back(job.at("id").as_int64());
      EXPECT_FALSE(job.as_object().contains("parameters"));
      EXPECT_FALSE(job.as_object().contains("result"));
    }
    if (list.at("next_cursor").is_null()) break;
    cursor = std::string("&before=") + list.at("next_cursor").as_string().c_str();
  }
  EXPECT_EQ(ids, (std::vector<std::int64_t>{5, 4, 3, 2, 1}));
  EXPECT_EQ(http.get("/api/v1/jobs?status=failed")->body, R"({"jobs":[],"next_cursor":null})");
  expect_problem(http.get("/api/v1/jobs?limit=501"), 400, "invalid_field", "limit");
  expect_problem(http.get("/api/v1/jobs?limit=x"), 400, "invalid_field", "limit");
  expect_problem(http.get("/api/v1/jobs?status=lost"), 400, "invalid_field", "status");
  expect_problem(http.get("/api/v1/jobs?offset=-1"), 400, "invalid_field", "offset");
  expect_problem(http.get("/api/v1/jobs?page=1"), 400, "unknown_field", "page");
  expect_problem(http.get("/api/v1/jobs?status=%zz"), 400, "invalid_field");
}

TEST_F(GatewayHttpTest, OthersJobsAreNotThereAndNotToBeCancelled) {
  auto anna = client();
  auto bert = client(kBertToken);
  ASSERT_EQ(anna.post("/api/v1/jobs", good_body())->status, 201);
  expect_problem(bert.get("/api/v1/jobs/1"), 404, "not_found");
  expect_problem(bert.get("/api/v1/jobs/1/outputs"), 404, "not_found");
  expect_problem(bert.get("/api/v1/jobs/1/outputs/0"), 404, "not_found");
  expect_problem(bert.post("/api/v1/jobs/1/cancel", ""), 403, "forbidden");
  EXPECT_EQ(bert.get("/api/v1/jobs")->body, R"({"jobs":[],"next_cursor":null})");
}

TEST_F(GatewayHttpTest, CancelIsAWishThatMayBeRepeated) {
  auto http = client();
  ASSERT_EQ(http.post("/api/v1/jobs", good_body())->status, 201);
  EXPECT_EQ(http.post("/api/v1/jobs/1/cancel", "")->status, 204);
  EXPECT_EQ(http.post("/api/v1/jobs/1/cancel", "{}")->status, 204);
  expect_problem(http.post("/api/v1/jobs/2/cancel", ""), 404, "not_found");
  on_strand([this] { backend_->store.staged_cancel = ports::CancelOutcome::kAlreadyEnded; });
  expect_problem(http.post("/api/v1/jobs/1/cancel", ""), 409, "already_ended");
}

TEST_F(GatewayHttpTest, OutputsComeWholeWithTypeNameAndHash) {
  auto http = client();
  ASSERT_EQ(http.post("/api/v1/jobs", good_body())->status, 201);
  std::string content(700'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 >> 3);
  const std::string sha256 = sha256_hex(content);
  std::promise<absl::Status> written;
  on_strand([&] {
    auto write = [](ports::ArtifactStore& store, std::string data) -> base::Task<absl::Status> {
      auto writer = co_await store.create();
      if (!writer.ok()) co_return writer.status();
      const absl::Status status = co_await (*writer)->write(std::move(data));
      if (!status.ok()) co_return status;
      auto blob = co_await (*writer)->finish();
      co_return blob.status();
    };
    base::spawn_root(backend_->strand, write(backend_->artifacts, content),
                     [&written](absl::Status status) { written.set_value(std::move(status)); });
    ports::OutputRow row;
    row.job_id = ports::JobId{1};
    row.node_id = "9";
    row.kind = "images";
    row.filename = "grüße \"1\".png";
    row.content_type = "image/png";
    row.size_bytes = static_cast<std::int64_t>(content.size());
    row.sha256 = sha256;
    ports::OutputRow page = row;
    page.n = 1;
    page.content_type = "text/html";
    ports::OutputRow gone = row;
    gone.n = 2;
    gone.sha256 = std::string(64, 'a');
    backend_->store.staged_outputs[ports::JobId{1}] = {row, page, gone};
  });
  ASSERT_TRUE(written.get_future().get().ok());

  const auto list = boost::json::parse(http.get("/api/v1/jobs/1/outputs")->body);
  ASSERT_EQ(list.at("outputs").as_array().size(), 3u);
  EXPECT_EQ(list.at("outputs").at(0).at("url").as_string(), "/api/v1/jobs/1/outputs/0");
  std::string got;
  const auto answer = http.download("/api/v1/jobs/1/outputs/0", [&got](std::string_view piece) {
    got += piece;
    return true;
  });
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(sha256_hex(got), sha256);
  EXPECT_EQ(answer->headers.at("content-type"), "image/png");
  EXPECT_EQ(answer->headers.at("etag"), "\"" + sha256 + "\"");
  EXPECT_EQ(answer->headers.at("content-disposition"),
            "inline; filename=\"gr____e _1_.png\"; filename*=UTF-8''gr%C3%BC%C3%9Fe%20%221%22.png");
  const std::string page = raw(header("HEAD", "/api/v1/jobs/1/outputs/1", "Connection: close\r\n\r\n"));
  EXPECT_NE(page.find("Content-Disposition: attachment;"), std::string::npos) << page;
  EXPECT_NE(page.find("Content-Length: 700000\r\n"), std::string::npos) << page;
  EXPECT_TRUE(page.ends_with("\r\n\r\n"));
  const std::string same =
      raw(header("GET", "/api/v1/jobs/1/outputs/0", "If-None-Match: \"" + sha256 + "\"\r\nConnection: close\r\n\r\n"));
  EXPECT_TRUE(same.starts_with("HTTP/1.1 304 ")) << same;
  expect_problem(http.get("/api/v1/jobs/1/outputs/2"), 502, "output_missing");
  expect_problem(http.get("/api/v1/jobs/1/outputs/3"), 404, "not_found");
  expect_problem(http.get("/api/v1/jobs/1/outputs/x"), 404, "not_found");
}

TEST_F(GatewayHttpTest, TooManyConnectionsAreToldSo) {
  start([](Config&, http::ServerConfig& server) { server.max_connections = 1; });
  auto first = client();
  ASSERT_EQ(first.get("/healthz")->status, 200);  // libcurl keeps the connection
  expect_problem(client().get("/healthz"), 503, "unavailable");
  EXPECT_EQ(first.get("/healthz")->status, 200);
}

TEST_F(GatewayHttpTest, ASilentClientIsHungUpOn) {
  start([](Config&, http::ServerConfig& server) { server.idle_timeout = absl::Milliseconds(200); });
  EXPECT_EQ(raw("GET /healthz HTTP/1.1\r\nHost:"), "");
  start([](Config&, http::ServerConfig& server) { server.io_timeout = absl::Milliseconds(200); });
  EXPECT_EQ(raw(header("POST", "/api/v1/jobs", "Content-Length: 10\r\n\r\n{")), "");
}

TEST_F(GatewayHttpTest, WhoAsksBeforeSendingIsToldToGoOn) {
  const std::string body = good_body();
  const std::string request = header(
      "POST", "/api/v1/jobs",
      "Expect: 100-continue\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
  const std::string answer = raw(request + body);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 100 Continue\r\n")) << answer;
  EXPECT_NE(answer.find("HTTP/1.1 201 "), std::string::npos) << answer;
}

}  // namespace
}  // namespace renderyard::gateway
