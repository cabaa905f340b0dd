// The WebSocket to ComfyUI, against scripted servers.
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "services/bridge/comfy/ws_inbox.h"
#include "tests/integration/comfy/comfy_fixture.h"
#include "tests/integration/comfy/raw_server.h"

namespace renderyard {
namespace {

using namespace domain;
using testing::Flag;
using testing::RawConnection;
using testing::RawServer;

constexpr int kText = 1;
constexpr int kBinary = 2;
constexpr int kClose = 8;
constexpr int kPing = 9;
constexpr int kPong = 10;
constexpr char kStatus[] = R"({"type":"status","data":{"status":{"exec_info":{"queue_remaining":0}},"sid":"x"}})";

class WsSocketTest : public testing::ComfyFixture {
 protected:
  absl::StatusOr<std::unique_ptr<ports::ComfySocket>> connect(const std::string& url, std::string client_id = "me",
                                                              double seconds = 20) {
    comfy_ = instance(url);
    return await(comfy_->connect(std::move(client_id), in(seconds)));
  }

  // Handshake, the flags, the first status.
  static void welcome(RawConnection& connection) {
    connection.accept_websocket();
    connection.read_frame(kText);
    connection.send_frame(kText, kStatus);
  }

  template <class T>
  T next(ports::ComfySocket& socket) {
    auto message = await(socket.next());
    EXPECT_TRUE(message.ok()) << message.status();
    if (!message.ok() || !message->has_value() || !std::holds_alternative<T>(**message)) {
      ADD_FAILURE() << "another message than expected";
      return T();
    }
    return std::get<T>(**message);
  }

  std::unique_ptr<ports::ComfyInstance> comfy_;
};

TEST_F(WsSocketTest, ConnectsWithEncodedIdAndFlagsFirst) {
  testing::RawRequest seen;
  std::string first;
  Flag over;
  RawServer server([&](RawConnection& connection) {
    seen = *connection.accept_websocket();
    first = connection.read_frame()->payload;
    connection.send_frame(kText, kStatus);
    over.wait();
  });
  auto socket = connect(server.url() + "/base", "ry ä/1");
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(next<ComfyStatus>(**socket).sid, "x");
  over.set();
  EXPECT_EQ(seen.line, "GET /base/ws?clientId=ry%20%C3%A4%2F1 HTTP/1.1");
  EXPECT_FALSE(seen.headers.contains("origin"));
  EXPECT_FALSE(seen.headers.contains("sec-websocket-extensions"));
  EXPECT_EQ(seen.headers["host"], "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(first, R"({"type":"feature_flags","data":{"supports_preview_metadata":true}})");
}

TEST_F(WsSocketTest, TheWsUrlOfTheRowIsUsedAsItIs) {
  std::string line;
  RawServer server([&](RawConnection& connection) {
    line = connection.accept_websocket()->line;
    connection.send_frame(kText, kStatus);
    connection.read_to_end();
  });
  auto comfy = instance("http://127.0.0.1:1", server.url("ws") + "/deep/ws");
  EXPECT_TRUE(await(comfy->connect("me", in(20))).ok());
  server.finish();
  EXPECT_EQ(line, "GET /deep/ws?clientId=me HTTP/1.1");
}

TEST_F(WsSocketTest, FailsToConnect) {
  RawServer forbidden([](RawConnection& connection) {
    connection.read_request();
    connection.answer(403, "");
  });
  const auto refused = connect(forbidden.url()).status();
  EXPECT_TRUE(absl::IsUnavailable(refused));
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("403"));
  EXPECT_TRUE(absl::IsUnavailable(connect("http://127.0.0.1:" + std::to_string(testing::closed_port())).status()));
  EXPECT_TRUE(absl::IsUnavailable(connect("http://no-such-host.invalid").status()));
  RawServer closes([](RawConnection& connection) { connection.read_request(); });
  EXPECT_TRUE(absl::IsUnavailable(connect(closes.url()).status()));
}

TEST_F(WsSocketTest, SilenceEndsAtTheDeadlineAndTheConnectionIsGone) {
  for (const bool handshake : {false, true}) {
    Flag gone;
    RawServer server([&](RawConnection& connection) {
      if (handshake) connection.accept_websocket();
      if (connection.read_to_end()) gone.set();
    });
    const auto status = connect(server.url(), "me", 0.3).status();
    // Two timers, one on each thread, watch the handshake; either may be the first.
    EXPECT_TRUE(absl::IsDeadlineExceeded(status) || absl::IsUnavailable(status)) << status;
    EXPECT_TRUE(gone.wait());
  }
}

TEST_F(WsSocketTest, MessagesComeInOrderAndBadOnesAreCounted) {
  Flag over;
  RawServer server([&](RawConnection& connection) {
    welcome(connection);
    connection.send_frame(kText, R"({"type":"execution_start","data":{"prompt_id":"p"}})");
    connection.send_frame(kText, "not JSON");
    connection.send_frame(kBinary, "xx");
    connection.send_frame(kText, R"({"type":"executed","data":{"node":"1","output":{"v":[NaN]},"prompt_id":"p"}})");
    connection.send_frame(kBinary, std::string("\0\0\0\1\0\0\0\1", 8) + std::string(std::size_t{40} << 20, 'j'));
    connection.send_frame(kText, R"({"type":"executing","data":{"node":null,"prompt_id":"p"}})");
    over.wait();
  });
  auto socket = connect(server.url());
  ASSERT_TRUE(socket.ok()) << socket.status();
  next<ComfyStatus>(**socket);
  EXPECT_EQ(next<ExecutionStart>(**socket).prompt_id, "p");
  EXPECT_EQ(next<Executed>(**socket).output_json, R"({"v":[null]})");
  EXPECT_EQ(next<PreviewImage>(**socket).data.size(), std::size_t{40} << 20);
  EXPECT_EQ(next<Executing>(**socket).node, std::nullopt);
  EXPECT_EQ(clients().counters().unreadable, 2u);
  over.set();
}

TEST_F(WsSocketTest, PingsAreAnsweredOrNot) {
  Flag over;
  RawServer server([&](RawConnection& connection) {
    welcome(connection);
    const auto ping = connection.read_frame(kPing);
    connection.send_frame(kPong, "something else");
    connection.send_frame(kPong, ping->payload);
    over.wait();
  });
  auto socket = connect(server.url());
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(await((*socket)->ping(in(20))).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(await((*socket)->ping(in(0.2)))));
  over.set();
}

TEST_F(WsSocketTest, CloseWaitsForTheEndOfTcp) {
  std::atomic<bool> ended{false};
  RawServer server([&](RawConnection& connection) {
    welcome(connection);
    const auto goodbye = connection.read_frame(kClose);
    connection.send_frame(kClose, goodbye->payload);
    ended = true;
    connection.close();
  });
  auto socket = connect(server.url());
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(await((*socket)->close(in(20))).ok());
  EXPECT_TRUE(ended);
  EXPECT_TRUE(await((*socket)->close(in(20))).ok());  // closed already
  EXPECT_TRUE(absl::IsUnavailable(await((*socket)->ping(in(20)))));
}

TEST_F(WsSocketTest, CloseCutsAtTheDeadline) {
  Flag gone;
  RawServer server([&](RawConnection& connection) {
    welcome(connection);
    connection.read_frame(kClose);  // and no answer to it
    if (connection.read_to_end()) gone.set();
  });
  auto socket = connect(server.url());
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_TRUE(await((*socket)->close(in(0.3))).ok());
  EXPECT_TRUE(gone.wait());
}

TEST_F(WsSocketTest, TheEndOfTheServerEndsTheStreamAfterWhatItHadSaid) {
  for (const bool reset : {false, true}) {
    Flag read;
    RawServer server([&](RawConnection& connection) {
      welcome(connection);
      connection.send_frame(kText, R"({"type":"execution_success","data":{"prompt_id":"p"}})");
      read.wait();
      if (reset) connection.reset();
    });
    auto socket = connect(server.url());
    ASSERT_TRUE(socket.ok()) << socket.status();
    next<ComfyStatus>(**socket);
    next<ExecutionSuccess>(**socket);
    read.set();
    EXPECT_TRUE(absl::IsUnavailable(await((*socket)->next()).status()));
    EXPECT_TRUE(absl::IsUnavailable(await((*socket)->next()).status()));
    EXPECT_TRUE(await((*socket)->close(in(20))).ok());
  }
}

TEST_F(WsSocketTest, AListenerHearsEverythingInOrderUntilTheEnd) {
  constexpr int kCount = 3000;
  for (const bool at_once : {true, false}) {
    Flag listening;
    Flag half;
    RawServer server([&](RawConnection& connection) {
      welcome(connection);
      if (!at_once) listening.wait();
      for (int i = 0; i < kCount; ++i) {
        if (i == kCount / 2 && !at_once) half.wait();
        connection.send_frame(kText, R"({"type":"execution_start","data":{"prompt_id":")" + std::to_string(i) + "\"}}");
      }
    });
    auto socket = connect(server.url());
    ASSERT_TRUE(socket.ok()) << socket.status();
    int heard = 0;
    const auto hear = [&](ComfyMessage message) {
      if (std::holds_alternative<ComfyStatus>(message)) return listening.set();
      ASSERT_TRUE(std::holds_alternative<ExecutionStart>(message));
      EXPECT_EQ(std::get<ExecutionStart>(message).prompt_id, std::to_string(heard));
      if (++heard == kCount / 2) half.set();
    };
    EXPECT_TRUE(absl::IsUnavailable(await((*socket)->listen(hear))));
    EXPECT_EQ(heard, kCount);
  }
}

TEST_F(WsSocketTest, AListenerWhoIsCancelledHearsNoMoreAndWhatComesThenWaitsForTheNext) {
  Flag first;
  Flag second;
  RawServer server([&](RawConnection& connection) {
    welcome(connection);
    first.wait();
    connection.send_frame(kText, R"({"type":"execution_start","data":{"prompt_id":"p"}})");
    second.wait();
  });
  auto socket = connect(server.url());
  ASSERT_TRUE(socket.ok()) << socket.status();
  int heard = 0;
  const auto hear = [&heard](const ComfyMessage&) { ++heard; };
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      await(base::with_deadline(strand_, clock_, (*socket)->listen(hear), clock_.now() + absl::Milliseconds(200)))));
  EXPECT_EQ(heard, 1);
  first.set();
  EXPECT_EQ(next<ExecutionStart>(**socket).prompt_id, "p");
  EXPECT_EQ(heard, 1);
  second.set();
  EXPECT_TRUE(absl::IsUnavailable(await((*socket)->listen(hear)))) << "it may listen again";
}

TEST_F(WsSocketTest, AListenerMayDieAtAnyTime) {
  Flag over;
  RawServer server([&](RawConnection& connection) {
    welcome(connection);
    for (int i = 0; i < 3000; ++i) connection.send_frame(kText, kStatus);
    over.wait();
  });
  auto socket = connect(server.url());
  ASSERT_TRUE(socket.ok()) << socket.status();
  int heard = 0;
  auto listener = std::make_shared<int*>(&heard);
  const std::weak_ptr<int*> alive = listener;
  auto hear = [listener = std::move(listener)](const ComfyMessage&) { ++**listener; };
  base::spawn_root(strand_, (*socket)->listen(std::move(hear)), [](const absl::Status&) {});
  while (heard < 100 || strand_.waiting() == 0) io_.run_one();
  strand_.drop_all();
  // Coroutines are taken down by their executor: what is before that in its queue is heard.
  while (!alive.expired()) io_.run_one();
  const int before = heard;
  over.set();
  server.finish();
  io_.poll();  // what was on its way finds nobody
  EXPECT_EQ(heard, before);
}

TEST_F(WsSocketTest, ADroppedSocketIsCut) {
  Flag gone;
  RawServer server([&](RawConnection& connection) {
    welcome(connection);
    if (connection.read_to_end()) gone.set();
  });
  auto socket = connect(server.url());
  ASSERT_TRUE(socket.ok()) << socket.status();
  socket->reset();
  EXPECT_TRUE(gone.wait());
}

TEST_F(WsSocketTest, TlsIsVerified) {
  const std::string certificate = testing::make_certificate("127.0.0.1");
  Flag over;
  const auto script = [&](RawConnection& connection) {
    welcome(connection);
    over.wait();
  };
  RawServer server(script, certificate);
  RawServer misnamed([](RawConnection& connection) { connection.accept_websocket(); },
                     testing::make_certificate("example.test"));
  trust(certificate);
  EXPECT_TRUE(connect(server.url("https")).ok());
  EXPECT_TRUE(absl::IsUnavailable(connect(misnamed.url("https")).status()));
  over.set();
}

class WsInboxTest : public testing::ComfyFixture {
 protected:
  static ComfyMessage progress(int value) {
    return NodeProgress{.prompt_id = "p", .node = "1", .value = double(value), .max = 1};
  }
};

TEST_F(WsInboxTest, DropsOldProgressAndNothingElse) {
  comfy::WsInbox inbox(strand_);
  const int limit = static_cast<int>(comfy::WsInbox::kMessages);
  ASSERT_TRUE(inbox.push(ExecutionStart{.prompt_id = "first"}, 1));
  ASSERT_TRUE(inbox.push(PreviewImage{.prompt_id = "", .node_id = "", .content_type = "image/png", .data = "out"}, 1));
  for (int i = 0; i < limit + 100; ++i) ASSERT_TRUE(inbox.push(progress(i), 1));
  EXPECT_EQ(inbox.dropped(), 102u);
  EXPECT_TRUE(std::holds_alternative<ExecutionStart>(**await(inbox.next())));
  EXPECT_TRUE(std::holds_alternative<PreviewImage>(**await(inbox.next())));
  EXPECT_EQ(std::get<NodeProgress>(**await(inbox.next())).value, 102);
}

TEST_F(WsInboxTest, BytesCountToo) {
  comfy::WsInbox inbox(strand_);
  const std::size_t quarter = comfy::WsInbox::kBytes / 4;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(
        inbox.push(PreviewImage{.prompt_id = "", .node_id = "", .content_type = "image/jpeg", .data = ""}, quarter));
  }
  EXPECT_EQ(inbox.dropped(), 6u);
}

TEST_F(WsInboxTest, AHopelessReaderEndsTheStreamAfterWhatWaits) {
  comfy::WsInbox inbox(strand_);
  std::size_t taken = 0;
  while (inbox.push(ExecutionStart{.prompt_id = "p"}, 1)) ++taken;
  EXPECT_EQ(taken, 2 * comfy::WsInbox::kMessages);
  EXPECT_FALSE(inbox.push(ExecutionStart{.prompt_id = "p"}, 1));
  inbox.end(absl::UnavailableError("later"));
  for (std::size_t i = 0; i <= taken; ++i) ASSERT_TRUE(await(inbox.next()).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(await(inbox.next()).status()));
}

}  // namespace
}  // namespace renderyard
