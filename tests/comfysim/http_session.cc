#include "tests/comfysim/http_session.h"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "tests/comfysim/answer_faults.h"
#include "tests/comfysim/inflate.h"
#include "tests/comfysim/ws_session.h"

namespace comfysim {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr auto kKeepAlive = std::chrono::seconds(75);  // aiohttp 3.8
constexpr std::uint32_t kLargestHeader = 64 * 1024;

using HeadParser = http::request_parser<http::empty_body>;
using BodyParser = http::request_parser<http::string_body>;

std::string to_text(beast::string_view view) {
  return {view.data(), view.size()};
}

HttpRequest head_of(const HeadParser& parser) {
  HttpRequest out;
  const auto& message = parser.get();
  out.method = to_text(message.method_string());
  split_target({message.target().data(), message.target().size()}, out);
  for (const auto& field : message) {
    std::string name = to_text(field.name_string());
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    out.headers[name] = to_text(field.value());
  }
  return out;
}

template <class Body>
http::response<Body> head_of(const HttpResponse& response, bool keep_alive, unsigned version) {
  http::response<Body> out{http::int_to_status(response.status), version};
  out.result(response.status);
  out.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) out.set(name, value);
  out.set(http::field::server, kServerName);
  out.keep_alive(keep_alive);
  out.content_length(response.body.size());
  return out;
}

class HttpSession : public Connection {
 public:
  HttpSession(asio::ip::tcp::socket socket, Hub& hub, Machine& machine, Routes& routes)
      : stream_(std::move(socket)), hub_(hub), machine_(machine), routes_(routes) {
    connections_->insert(this);
  }
  ~HttpSession() override { connections_->erase(this); }
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  asio::awaitable<void> run();
  void freeze(std::optional<std::chrono::milliseconds> time) override;

 private:
  // Whether the connection can be used for another request.
  asio::awaitable<bool> serve_one();
  // The faults at the head of a POST /prompt. False when that was its end.
  asio::awaitable<bool> admit(HttpRequest& request, std::int64_t arrived, unsigned version);
  asio::awaitable<bool> read_body(HeadParser& head, HttpRequest& request, HttpResponse& refusal);
  // Reads and drops the `size` bytes of a body; false when the client breaks off.
  asio::awaitable<bool> drain(std::uint64_t size);
  asio::awaitable<bool> answer(HttpRequest& request, bool keep_alive, unsigned version);
  asio::awaitable<bool> send(HttpResponse response, bool keep_alive, bool head_only, unsigned version);
  // Sends the body in pieces, and perhaps not all of it; then the connection ends.
  asio::awaitable<bool> send_badly(const HttpResponse& response, const AnswerPlan& plan, bool keep_alive,
                                   unsigned version);
  // Says nothing until the client goes.
  asio::awaitable<void> hold();
  asio::awaitable<void> wait(std::chrono::milliseconds time);

  std::uint64_t body_limit() const {
    return static_cast<std::uint64_t>(machine_.options.max_upload_mb * 1024.0 * 1024.0);
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  Hub& hub_;
  const std::shared_ptr<std::set<Connection*>> connections_ = hub_.plain_connections();
  Machine& machine_;
  Routes& routes_;
  asio::steady_timer thaw_{stream_.get_executor()};  // of a frozen connection: its end
  bool controls_ = false;                            // asks for faults; they do not hit the one who asks
  bool upgraded_ = false;
  bool frozen_ = false;
};

asio::awaitable<void> HttpSession::run() {
  bool more = true;
  while (more) more = co_await serve_one();
  if (upgraded_) co_return;
  if (frozen_) {
    co_await thaw_.async_wait(asio::as_tuple(asio::use_awaitable));
    boost::system::error_code unset;
    stream_.socket().set_option(asio::socket_base::linger(true, 0), unset);  // the close sends RST
  }
  boost::system::error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.socket().close(ignored);
}

asio::awaitable<bool> HttpSession::serve_one() {
  if (buffer_.size() == 0) buffer_.shrink_to_fit();  // a waiting connection holds no memory of the request before
  HeadParser head;
  head.body_limit(boost::none);
  head.header_limit(kLargestHeader);
  stream_.expires_after(kKeepAlive);
  const auto [error, size] =
      co_await http::async_read_header(stream_, buffer_, head, asio::as_tuple(asio::use_awaitable));
  if (error || frozen_) co_return false;
  const std::int64_t arrived = now_us();
  stream_.expires_never();
  HttpRequest request = head_of(head);
  controls_ = request.path.starts_with("/_sim/");
  const bool keep_alive = head.keep_alive();
  const bool head_only = request.method == "HEAD";
  const unsigned version = head.get().version();

  if (beast::websocket::is_upgrade(head.get()) && routes_.is_websocket(request)) {
    if (const std::optional<HttpResponse> refusal = routes_.check_origin(request)) {
      co_return co_await send(*refusal, false, false, version);
    }
    // A coroutine of its own, so that an idle socket does not keep what parsed its request.
    upgraded_ = true;
    const auto executor = stream_.get_executor();
    asio::co_spawn(
        executor,
        serve_websocket(std::move(stream_), head.release(), request.parameter("clientId").value_or(""), hub_, machine_),
        asio::detached);
    co_return false;
  }

  if (is_prompt_post(request)) {
    const bool admitted = co_await admit(request, arrived, version);
    if (!admitted) co_return false;
  }

  HttpResponse refusal;
  const bool whole = co_await read_body(head, request, refusal);
  if (frozen_ || (!whole && refusal.close)) co_return false;
  if (!whole) co_return co_await send(std::move(refusal), false, head_only, version);
  co_return co_await answer(request, keep_alive, version);
}

asio::awaitable<bool> HttpSession::admit(HttpRequest& request, std::int64_t arrived, unsigned version) {
  request.post_number = routes_.note_post(arrived);
  if (const std::optional<Fault> fault = machine_.faults.take("refuse", "post")) {
    const auto status = static_cast<unsigned>(fault->status);
    routes_.note_refused(request, status, "fault");
    if (status != 0) co_await send(empty_response(status), false, false, version);
    co_return false;
  }
  if (const std::optional<Fault> fault = machine_.faults.take("read_late", "post")) {
    co_await wait(std::chrono::milliseconds(fault->delay_ms));
  }
  co_return true;
}

asio::awaitable<bool> HttpSession::answer(HttpRequest& request, bool keep_alive, unsigned version) {
  if (silent_before_queue(machine_, request)) {
    co_await hold();
    co_return false;
  }
  HttpResponse response = routes_.handle(request);
  if (response.close) co_return false;
  const AnswerPlan plan = plan_answer(machine_, request, response);
  if (plan.delay.count() > 0) co_await wait(plan.delay);
  if (plan.silent) {
    co_await hold();
    co_return false;
  }
  const bool head_only = request.method == "HEAD";
  if (!head_only && (plan.end_after || plan.bytes_per_s)) {
    co_return co_await send_badly(response, plan, keep_alive, version);
  }
  co_return co_await send(std::move(response), keep_alive, head_only, version);
}

// False when there is no whole body: then `refusal` is the answer, or says to close.
asio::awaitable<bool> HttpSession::read_body(HeadParser& head, HttpRequest& request, HttpResponse& refusal) {
  const std::string expectation = request.header("expect");
  const std::uint64_t announced = head.content_length().value_or(0);
  if (!expectation.empty()) {
    const std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const asio::const_buffer buffer(go_on.data(), go_on.size());
    co_await asio::async_write(stream_, buffer, asio::as_tuple(asio::use_awaitable));
  }
  if (announced > body_limit()) {
    // Read first: an answer to a client that still writes would be lost in the reset of the connection.
    const bool drained = co_await drain(announced);
    refusal = text_response(413, "Maximum request body size " + std::to_string(body_limit()) +
                                     " exceeded, actual body size " + std::to_string(announced));
    refusal.close = !drained;
    co_return false;
  }
  BodyParser parser(std::move(head));
  parser.body_limit(body_limit());
  const auto [error, size] = co_await http::async_read(stream_, buffer_, parser, asio::as_tuple(asio::use_awaitable));
  if (error == http::error::body_limit) {
    refusal = text_response(413, "Maximum request body size " + std::to_string(body_limit()) + " exceeded");
    co_return false;
  }
  if (error) {
    refusal.close = true;
    co_return false;
  }
  request.body = std::move(parser.get().body());
  const std::string encoding = request.header("content-encoding");
  if (encoding == "gzip" || encoding == "deflate") {
    std::optional<std::string> plain = inflate_body(request.body, body_limit());
    if (!plain) {
      refusal = text_response(400, "Can not decode content-encoding: " + encoding);
      co_return false;
    }
    request.body = std::move(*plain);
  }
  co_return true;
}

asio::awaitable<bool> HttpSession::drain(std::uint64_t size) {
  std::uint64_t left = size - std::min<std::uint64_t>(size, buffer_.size());
  buffer_.consume(buffer_.size());
  std::string chunk(64 * 1024, '\0');
  while (left > 0) {
    const asio::mutable_buffer target(chunk.data(), chunk.size());
    const auto [error, got] = co_await stream_.async_read_some(target, asio::as_tuple(asio::use_awaitable));
    if (error) co_return false;
    left -= std::min<std::uint64_t>(left, got);
  }
  co_return true;
}

asio::awaitable<bool> HttpSession::send(HttpResponse response, bool keep_alive, bool head_only, unsigned version) {
  if (frozen_) co_return false;
  auto message = head_of<http::string_body>(response, keep_alive, version);
  if (!head_only) message.body() = std::move(response.body);
  http::response_serializer<http::string_body> serializer(message);
  const auto [error, size] = co_await http::async_write(stream_, serializer, asio::as_tuple(asio::use_awaitable));
  co_return !error && keep_alive;
}

asio::awaitable<bool> HttpSession::send_badly(const HttpResponse& response, const AnswerPlan& plan, bool keep_alive,
                                              unsigned version) {
  constexpr auto kPause = std::chrono::milliseconds(20);
  constexpr std::int64_t kPausesPerSecond = 50;
  if (frozen_) co_return false;
  auto message = head_of<http::empty_body>(response, keep_alive, version);
  http::response_serializer<http::empty_body> serializer(message);
  const auto [head_error, head_size] =
      co_await http::async_write_header(stream_, serializer, asio::as_tuple(asio::use_awaitable));
  if (head_error) co_return false;
  const std::size_t end = std::min<std::size_t>(response.body.size(), plan.end_after.value_or(response.body.size()));
  std::size_t piece = std::max<std::size_t>(end, 1);
  if (plan.bytes_per_s) {
    piece = static_cast<std::size_t>(std::max<std::int64_t>(*plan.bytes_per_s / kPausesPerSecond, 1));
  }
  for (std::size_t sent = 0; sent < end;) {
    const asio::const_buffer buffer(response.body.data() + sent, std::min(piece, end - sent));
    const auto [error, size] = co_await asio::async_write(stream_, buffer, asio::as_tuple(asio::use_awaitable));
    if (error || frozen_) co_return false;
    sent += size;
    if (plan.bytes_per_s && sent < end) co_await wait(kPause);
  }
  co_return keep_alive&& end == response.body.size();
}

asio::awaitable<void> HttpSession::hold() {
  std::array<char, 1024> ignored{};
  for (;;) {
    const auto [error, size] =
        co_await stream_.async_read_some(asio::buffer(ignored), asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
  }
}

asio::awaitable<void> HttpSession::wait(std::chrono::milliseconds time) {
  asio::steady_timer timer(stream_.get_executor(), time);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

void HttpSession::freeze(std::optional<std::chrono::milliseconds> time) {
  if (frozen_ || controls_) return;
  frozen_ = true;
  if (time) {
    thaw_.expires_after(*time);
  } else {
    thaw_.expires_at(asio::steady_timer::time_point::max());
  }
  stream_.cancel();
}

}  // namespace

asio::awaitable<void> serve_http(asio::ip::tcp::socket socket, Hub& hub, Machine& machine, Routes& routes) {
  boost::system::error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  const auto session = std::make_unique<HttpSession>(std::move(socket), hub, machine, routes);
  co_await session->run();
}

}  // namespace comfysim
