#include "tests/comfysim/ws_session.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <memory>

#include "tests/comfysim/digest.h"
#include "tests/comfysim/http_session.h"
#include "tests/comfysim/routes.h"

namespace comfysim {
namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;

constexpr std::size_t kLargestClientMessage = std::size_t{4} * 1024 * 1024;  // larger: close 1009

class WsSession : public Socket, public std::enable_shared_from_this<WsSession> {
 public:
  WsSession(beast::tcp_stream stream, std::string sid, Hub& hub, Machine& machine)
      : ws_(std::move(stream)),
        written_(ws_.get_executor()),
        wanted_(ws_.get_executor()),
        thaw_(ws_.get_executor()),
        sid_(std::move(sid)),
        hub_(hub),
        machine_(machine) {}

  void enqueue(FramePtr frame) override;
  asio::awaitable<void> drained() override;
  void cut() override;
  void freeze(std::optional<std::chrono::milliseconds> time) override;

  asio::awaitable<void> run(UpgradeRequest request);

 private:
  asio::awaitable<void> write_loop();
  asio::awaitable<void> read_loop();
  void greet();
  void on_text(const std::string& text);
  void end();

  websocket::stream<beast::tcp_stream> ws_;
  asio::steady_timer written_;  // cancelled when the outbox is empty
  asio::steady_timer wanted_;   // cancelled when it is not
  asio::steady_timer thaw_;     // of a frozen connection: its end
  bool frozen_ = false;
  std::deque<FramePtr> outbox_;
  bool open_ = true;
  bool first_message_ = true;
  const std::string sid_;
  Hub& hub_;
  Machine& machine_;
};

void WsSession::enqueue(FramePtr frame) {
  if (!open_) return;
  outbox_.push_back(std::move(frame));
  wanted_.cancel();
}

asio::awaitable<void> WsSession::drained() {
  const std::shared_ptr<WsSession> self = shared_from_this();
  while (open_ && !outbox_.empty()) {
    written_.expires_at(asio::steady_timer::time_point::max());
    co_await written_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
}

void WsSession::cut() {
  boost::system::error_code ignored;
  auto& socket = beast::get_lowest_layer(ws_).socket();
  // With linger 0 the kernel sends RST and throws away what was not sent yet: the client sees its connection break.
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
  thaw_.cancel();
  end();
}

void WsSession::freeze(std::optional<std::chrono::milliseconds> time) {
  if (!open_ || frozen_) return;
  frozen_ = true;
  if (time) {
    thaw_.expires_after(*time);
  } else {
    thaw_.expires_at(asio::steady_timer::time_point::max());
  }
  end();
  boost::system::error_code ignored;
  beast::get_lowest_layer(ws_).socket().cancel(ignored);
}

void WsSession::end() {
  open_ = false;
  outbox_.clear();
  written_.cancel();
  wanted_.cancel();
}

asio::awaitable<void> WsSession::write_loop() {
  const std::shared_ptr<WsSession> self = shared_from_this();
  while (open_) {
    if (outbox_.empty()) {
      written_.cancel();
      wanted_.expires_at(asio::steady_timer::time_point::max());
      co_await wanted_.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    const FramePtr frame = outbox_.front();
    ws_.binary(frame->binary);
    const asio::const_buffer buffer(frame->bytes.data(), frame->bytes.size());
    const auto [error, size] = co_await ws_.async_write(buffer, asio::as_tuple(asio::use_awaitable));
    if (error) {
      end();
      co_return;
    }
    if (!outbox_.empty()) outbox_.pop_front();
  }
}

// The socket goes into the table before anything is sent, as in the real server.
void WsSession::greet() {
  hub_.attach(sid_, shared_from_this());
  const json::object info = {{"queue_remaining", machine_.queue.remaining()}};
  enqueue(make_text_frame("status", json::object{{"status", {{"exec_info", info}}}, {"sid", sid_}}));
  if (const std::optional<std::string> node = machine_.control.node_of(sid_)) {
    enqueue(make_text_frame("executing", json::object{{"node", *node}}));
  }
}

void WsSession::on_text(const std::string& text) {
  const std::optional<json::value> message = parse_json(text);
  if (!message) return;  // bad JSON does not use up the one chance
  const bool first = std::exchange(first_message_, false);
  if (!first || !machine_.generation.features) return;
  const json::value* type = member(*message, "type");
  if (type == nullptr || *type != "feature_flags") return;
  const json::value* data = member(*message, "data");
  const json::value* wanted = data == nullptr ? nullptr : member(*data, "supports_preview_metadata");
  hub_.set_preview_metadata(sid_, wanted != nullptr && wanted->is_bool() && wanted->get_bool());
  enqueue(make_text_frame("feature_flags", server_features(machine_.options)));
}

asio::awaitable<void> WsSession::read_loop() {
  beast::flat_buffer buffer;
  while (open_) {
    const auto [error, size] = co_await ws_.async_read(buffer, asio::as_tuple(asio::use_awaitable));
    if (error || frozen_) co_return;
    if (ws_.got_text()) on_text(beast::buffers_to_string(buffer.data()));
    buffer.consume(buffer.size());
  }
}

asio::awaitable<void> WsSession::run(UpgradeRequest request) {
  const std::shared_ptr<WsSession> self = shared_from_this();
  websocket::permessage_deflate deflate;
  deflate.server_enable = true;
  // The state of a connection that has negotiated it; the others have none.
  deflate.memLevel = 1;
  ws_.set_option(deflate);
  ws_.set_option(websocket::stream_base::decorator(
      [](websocket::response_type& response) { response.set(beast::http::field::server, kServerName); }));
  ws_.read_message_max(kLargestClientMessage);
  const auto [error] = co_await ws_.async_accept(request, asio::as_tuple(asio::use_awaitable));
  if (error) co_return;
  greet();
  asio::co_spawn(ws_.get_executor(), write_loop(), asio::detached);
  co_await read_loop();
  if (frozen_) {
    co_await thaw_.async_wait(asio::as_tuple(asio::use_awaitable));
    cut();
  }
  hub_.detach(sid_, self);
  end();
  // A client that broke off, or the close handshake, which async_read has answered, leaves nothing but the TCP
  // connection.
  boost::system::error_code ignored;
  auto& socket = beast::get_lowest_layer(ws_).socket();
  socket.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket.close(ignored);
}

std::string make_sid() {
  std::string sid = make_uuid();
  std::erase(sid, '-');
  return sid;
}

}  // namespace

asio::awaitable<void> serve_websocket(beast::tcp_stream stream, UpgradeRequest request, std::string sid, Hub& hub,
                                      Machine& machine) {
  if (sid.empty()) sid = make_sid();
  const auto session = std::make_shared<WsSession>(std::move(stream), std::move(sid), hub, machine);
  co_await session->run(std::move(request));
}

}  // namespace comfysim
