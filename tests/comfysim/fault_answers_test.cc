// The faults of requests, answers, downloads and connections do what README.md says of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "tests/comfysim/test_fixture.h"

namespace comfysim::testing {
namespace {

using ::testing::Contains;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kNothingComes = std::chrono::milliseconds(150);

bool is_event(const json::object& line, const char* event, int n) {
  return line.at("event") == event && line.at("prompt_id") == json::string(id_of(n));
}

std::int64_t ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count();
}

// A TCP connection on which a test does what no library would.
class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port, int receive_buffer = 0) : socket_(io_) {
    socket_.open(boost::asio::ip::tcp::v4());
    if (receive_buffer > 0) socket_.set_option(boost::asio::socket_base::receive_buffer_size(receive_buffer));
    socket_.connect({boost::asio::ip::address_v4::loopback(), port});
    const timeval limit{20, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  void write(const std::string& text) { boost::asio::write(socket_, boost::asio::buffer(text)); }
  // What arrives within `patience`; empty when nothing does.
  std::string read(std::chrono::milliseconds patience) {
    pollfd wanted{socket_.native_handle(), POLLIN, 0};
    if (::poll(&wanted, 1, static_cast<int>(patience.count())) <= 0) return "";
    std::string out(4096, '\0');
    boost::system::error_code error;
    out.resize(socket_.read_some(boost::asio::buffer(out), error));
    return error ? "(" + error.message() + ")" : out;
  }
  void close() { socket_.close(); }

 private:
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
};

std::string upgrade_request(const std::string& client) {
  return "GET /ws?clientId=" + client +
         " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
}

std::string prompt_request(int n) {
  const std::string body = json::serialize(json::object{{"prompt", simple_workflow(n)}, {"prompt_id", id_of(n)}});
  return "POST /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

TEST_F(ComfysimTest, SilentReadsAndDoesNotAnswer) {
  fault({{"fault", "silent"}, {"count", 1}});
  RawConnection before(port());
  before.write(prompt_request(1));
  EXPECT_EQ(wait_ledger([](const json::object& line) { return line.at("event") == "fault"; }).at("at"),
            "post_before_queue");
  EXPECT_EQ(before.read(kNothingComes), "");
  fault({{"fault", "silent"}, {"at", "post_after_queue"}, {"count", 1}});
  RawConnection after(port());
  after.write(prompt_request(2));
  wait_ledger([](const json::object& line) { return is_event(line, "ended", 2); });
  EXPECT_EQ(after.read(kNothingComes), "");
  fault({{"fault", "silent"}, {"at", "answer"}, {"path", "/history"}, {"count", 1}});
  RawConnection history(port());
  history.write("GET /api/history HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  EXPECT_EQ(history.read(kNothingComes), "");
  EXPECT_EQ(get(port(), "/history").status, 200u);
  for (const json::object& line : ledger()) EXPECT_FALSE(is_event(line, "accepted", 1));
}

TEST_F(ComfysimTest, ErrorAfterQueueingRunsThePromptAllTheSame) {
  fault({{"fault", "error"}, {"status", 502}, {"count", 1}});
  EXPECT_EQ(submit(simple_workflow(1), 1).status, 502u);
  wait_ledger([](const json::object& line) { return is_event(line, "ended", 1); });
  fault({{"fault", "error"}, {"at", "answer"}, {"path", "/queue"}});
  EXPECT_EQ(get(port(), "/queue").status, 503u);
  EXPECT_EQ(get(port(), "/prompt").status, 200u);
}

TEST_F(ComfysimTest, AnswerLateHitsThePathsItNames) {
  fault({{"fault", "answer_late"}, {"path", "/queue"}, {"delay_ms", 150}, {"count", 1}});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(get(port(), "/prompt").status, 200u);
  EXPECT_EQ(get(port(), "/queue").status, 200u);
  EXPECT_GE(ms_since(start), 150);
  EXPECT_EQ(get(port(), "/_sim/faults").body, "[]");
}

TEST_F(ComfysimTest, AFaultWithADurationEndsByItself) {
  const auto start = std::chrono::steady_clock::now();
  fault({{"fault", "error"}, {"at", "answer"}, {"path", "/queue"}, {"for_ms", 200}});
  EXPECT_EQ(get(port(), "/queue").status, 503u);
  while (get(port(), "/queue").status == 503 && ms_since(start) < 10'000) {
  }
  EXPECT_GE(ms_since(start), 200);
  EXPECT_EQ(get(port(), "/queue").status, 200u);
  EXPECT_EQ(get(port(), "/_sim/faults").body, "[]");
}

TEST_F(ComfysimTest, DownloadsBreakOffOrCrawl) {
  submit(text_to_image(1, "x"), 1);
  wait_ledger([](const json::object& line) { return is_event(line, "ended", 1); });
  const std::string view = "/view?filename=t2i_00001_.png";
  const std::string whole = get(port(), view).body;
  ASSERT_THAT(whole, SizeIs(Gt(1000u)));
  fault({{"fault", "truncate"}, {"bytes", 100}, {"count", 1}});
  const Reply cut = get(port(), view);
  EXPECT_EQ(cut.status, 0u);
  EXPECT_EQ(cut.headers.at("content-length"), std::to_string(whole.size()));
  EXPECT_EQ(cut.body, whole.substr(0, 100));
  fault({{"fault", "truncate"}, {"count", 1}});
  EXPECT_EQ(get(port(), view).body, whole.substr(0, whole.size() / 2));
  const auto rate = static_cast<std::int64_t>(whole.size()) * 4;
  fault({{"fault", "slow_download"}, {"bytes_per_s", rate}, {"count", 1}});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(get(port(), view).body, whole);
  EXPECT_GE(ms_since(start), 200);  // a quarter of a second, less the first and the last piece
}

TEST_F(ComfysimTest, HalfOpenConnectionsSayNothingUntilTheyAreFoundDead) {
  WebSocketClient old(port(), kSocket);
  old.next();
  RawConnection kept(port());
  kept.write("GET /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  EXPECT_THAT(kept.read(kPatience), HasSubstr("200 OK"));
  fault({{"fault", "half_open"}, {"for_ms", 600}});
  old.ping();
  kept.write("GET /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  EXPECT_EQ(kept.read(kNothingComes), "");
  EXPECT_FALSE(old.next(kNothingComes));
  // New connections work, and the same id replaces the half-open one ...
  WebSocketClient fresh(port(), kSocket);
  EXPECT_EQ(fresh.next()->type, "status");
  submit(simple_workflow(1), 1);
  EXPECT_THAT(types_of(fresh.until_done()), Contains("execution_success"));
  // ... until the server finds that one dead, whose end makes the new one deaf.
  EXPECT_EQ(old.next()->kind, Event::Kind::kClosed);
  submit(simple_workflow(2), 2);
  wait_ledger([](const json::object& line) { return is_event(line, "ended", 2); });
  fresh.ping();
  EXPECT_EQ(fresh.next()->kind, Event::Kind::kPong);
}

TEST_F(ComfysimTest, HalfOpenWithoutADurationStaysSilent) {
  WebSocketClient old(port(), kSocket);
  old.next();
  fault({{"fault", "half_open"}});
  submit(simple_workflow(1), 1);
  wait_ledger([](const json::object& line) { return is_event(line, "ended", 1); });
  old.ping();
  EXPECT_FALSE(old.next(kNothingComes));
}

TEST_F(ComfysimTest, ClosedRefusesConnectionsForAWhile) {
  WebSocketClient socket(port(), kSocket);
  socket.next();
  const auto start = std::chrono::steady_clock::now();
  fault({{"fault", "closed"}, {"for_ms", 300}});
  // The answer may arrive before the door is shut.
  while (get(port(), "/prompt").status != 0 && ms_since(start) < 10'000) {
  }
  EXPECT_EQ(get(port(), "/prompt").status, 0u);
  socket.ping();
  EXPECT_EQ(socket.next()->kind, Event::Kind::kPong);  // what is open stays open
  while (get(port(), "/prompt").status == 0 && ms_since(start) < 20'000) {
  }
  EXPECT_EQ(get(port(), "/prompt").status, 200u);
  EXPECT_GE(ms_since(start), 300);
}

// No fault, but what the real server does by itself (protocol section 4.5).
TEST_F(ComfysimTest, OneSlowReaderStopsTheMessagesOfAll) {
  RawConnection slow(port(), 4096);
  slow.write(upgrade_request("a-slow-reader"));
  EXPECT_THAT(slow.read(kPatience), HasSubstr("101 Switching Protocols"));
  WebSocketClient socket(port(), kSocket);
  socket.next();
  const std::string large(8 * 1024 * 1024, 'x');
  const json::object workflow = {{"1", {{"class_type", "BridgeText"}, {"inputs", {{"text", large}, {"seed", 1}}}}}};
  ASSERT_EQ(submit(workflow, 1).status, 200u);
  wait_ledger([](const json::object& line) { return is_event(line, "ended", 1); });
  EXPECT_EQ(get(port(), "/history/" + id_of(1)).status, 200u);  // HTTP goes on
  std::vector<std::string> before;
  while (const auto event = socket.next(kNothingComes)) before.push_back(event->type);
  EXPECT_THAT(before, ::testing::Not(Contains("execution_success")));
  slow.close();
  EXPECT_THAT(types_of(socket.until_done()), Contains("execution_success"));
}

}  // namespace
}  // namespace comfysim::testing
