#include "services/api-gateway/http/connection.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/domain/error_code.h"
#include "services/api-gateway/http/api.h"
#include "services/api-gateway/ws/session.h"

namespace renderyard::gateway::http {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = beast::http;
namespace code = domain::code;
using Field = bhttp::field;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kChunk = 256 * 1024;     // of an output file
constexpr std::size_t kBodyChunk = 64 * 1024;  // of a request's body: so much must come within io_timeout

std::string text(beast::string_view value) {
  return std::string(value.data(), value.size());
}

// Gives back what a request's body took of the common budget.
class BodyShare {
 public:
  explicit BodyShare(std::size_t& total) : total_(total) {}
  ~BodyShare() { total_ -= taken_; }
  BodyShare(const BodyShare&) = delete;
  BodyShare& operator=(const BodyShare&) = delete;
  void take(std::size_t bytes) {
    taken_ += bytes;
    total_ += bytes;
  }

 private:
  std::size_t& total_;
  std::size_t taken_ = 0;
};

class Connection {
 public:
  Connection(Shared& shared, Handle& handle, beast::tcp_stream stream)
      : shared_(shared), config_(shared.config), handle_(handle), stream_(std::move(stream)) {}

  base::Task<absl::Status> run() {
    handle_.close = [this] { stream_.close(); };
    bool more = true;
    while (more) {
      more = co_await serve_one();
    }
    if (!upgraded_) {
      // Lets the peer read the answer before the end: closing with bytes unread would reset the connection.
      co_await hang_up();
    }
    handle_.close = nullptr;
    co_return absl::OkStatus();
  }

  base::Task<absl::Status> refuse() {
    Problem problem = make_problem(code::kUnavailable, "too many connections; try again in a moment");
    problem.retry_after_secs = 1;
    keep_alive_ = false;
    const bool sent = co_await send(problem_response(problem));
    if (sent) {
      co_await hang_up();
    }
    co_return absl::OkStatus();
  }

 private:
  using Parser = bhttp::request_parser<bhttp::buffer_body>;

  void limit(absl::Duration duration) { stream_.expires_after(absl::ToChronoNanoseconds(duration)); }

  // True when another request may follow.
  base::Task<bool> serve_one() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(config_.max_header_bytes));
    parser_->body_limit(boost::none);  // depends on the address, and nobody's body is read before the token was checked
    keep_alive_ = false;
    head_only_ = false;
    handle_.idle = true;
    if (shared_.stopping) co_return false;
    limit(config_.idle_timeout);
    auto [error, size] = co_await bhttp::async_read_header(stream_, buffer_, *parser_, kToken);
    handle_.idle = false;
    if (error) co_return co_await answer_broken_header(error);
    const auto& message = parser_->get();
    keep_alive_ = message.keep_alive();
    head_only_ = message.method() == bhttp::verb::head;
    began_ = shared_.deps.clock.now();
    co_return co_await answer();
  }

  base::Task<bool> answer_broken_header(beast::error_code error) {
    if (error == bhttp::error::header_limit) {
      Response response = problem_response(make_problem(
          code::kInvalidField, absl::StrCat("the header is larger than ", config_.max_header_bytes, " bytes")));
      response.status = 431;
      co_return co_await send(std::move(response));
    }
    const bool is_http_error = error.category() == make_error_code(bhttp::error::bad_method).category();
    if (!is_http_error || error == bhttp::error::end_of_stream || error == bhttp::error::partial_message) {
      co_return false;  // the peer has gone, or said nothing in time
    }
    Response response = problem_response(make_problem(code::kInvalidField, "this is not an HTTP/1.1 request"));
    response.status = 400;
    co_return co_await send(std::move(response));
  }

  base::Task<bool> answer() {
    const auto& message = parser_->get();
    const std::string method = text(message.method_string());
    const std::string target = text(message.target());
    auto route = match_route(method, target);
    std::optional<ports::User> user;
    if (!route.ok() || route->kind != Route::Kind::kHealth) {
      // Also where there is nothing: who has no token does not learn what exists.
      auto known = co_await authenticate();
      if (!known.ok()) co_return co_await send_early(problem_response(known.problem()));
      user = *std::move(known);
    }
    if (!route.ok()) {
      Response response = problem_response(route.problem());
      if (response.status == 405) response.headers.emplace_back("Allow", allowed_methods(target));
      co_return co_await send_early(std::move(response));
    }
    if (route->kind == Route::Kind::kFeed) co_return co_await upgrade(*std::move(user));
    BodyShare share(shared_.bodies_bytes);
    const bool is_submit = route->kind == Route::Kind::kSubmit;
    const std::size_t most = is_submit ? shared_.deps.gateway.config().max_body_bytes : config_.max_small_body_bytes;
    auto body = co_await read_body(share, most);
    if (!body.ok()) {
      if (body.problem().code.empty()) co_return false;
      co_return co_await send_early(problem_response(body.problem()));
    }
    Request request;
    request.body = *std::move(body);
    request.if_none_match = text(message[Field::if_none_match]);
    const auto key = message.find("Idempotency-Key");
    if (key != message.end()) request.idempotency_key = text(key->value());
    const ports::User* who = user ? &*user : nullptr;
    Response response = co_await handle(shared_.deps.gateway, *std::move(route), who, std::move(request));
    note(method, target, response.status);
    co_return co_await send(std::move(response));
  }

  base::Task<Answer<ports::User>> authenticate() {
    const auto& message = parser_->get();
    token_ = bearer_token(text(message[Field::authorization]));
    if (token_.empty() && beast::websocket::is_upgrade(message)) {
      token_ = protocol_token(text(message[Field::sec_websocket_protocol]));
    }
    co_return co_await shared_.deps.gateway.authenticate(token_);
  }

  // A problem without a code: the connection is broken.
  base::Task<Answer<std::string>> read_body(BodyShare& share, std::size_t most) {
    const Problem too_large = make_problem(
        code::kBodyTooLarge,
        absl::StrCat("the body may have at most ", most, " bytes; large inputs are uploaded, not sent inline"));
    const auto announced = parser_->content_length();
    if (announced && *announced > most) co_return too_large;
    std::string body;
    const auto expect = parser_->get()[Field::expect];
    if (!parser_->is_done() && beast::iequals(expect, "100-continue")) {
      limit(config_.io_timeout);
      bhttp::response<bhttp::empty_body> go_on(bhttp::status::continue_, 11);
      auto [error, size] = co_await bhttp::async_write(stream_, go_on, kToken);
      if (error) co_return Problem();
    }
    std::vector<char> chunk(parser_->is_done() ? 0 : kBodyChunk);
    while (!parser_->is_done()) {
      parser_->get().body().data = chunk.data();
      parser_->get().body().size = chunk.size();
      limit(config_.io_timeout);
      auto [error, size] = co_await bhttp::async_read(stream_, buffer_, *parser_, kToken);
      if (error && error != bhttp::error::need_buffer) co_return Problem();
      const std::size_t got = chunk.size() - parser_->get().body().size;
      if (body.size() + got > most) co_return too_large;
      if (shared_.bodies_bytes + got > config_.max_bodies_bytes) {
        Problem full = make_problem(code::kUnavailable, "too many large requests at once; try again in a moment");
        full.retry_after_secs = 1;
        co_return full;
      }
      share.take(got);
      body.append(chunk.data(), got);
    }
    co_return body;
  }

  // An answer to a request whose body may not have been read: the connection cannot go on behind it.
  base::Task<bool> send_early(Response response) {
    if (!parser_->is_done()) keep_alive_ = false;
    note(text(parser_->get().method_string()), text(parser_->get().target()), response.status);
    co_return co_await send(std::move(response));
  }

  template <class Body>
  void fill_header(bhttp::response<Body>& message, const Response& response) const {
    message.version(11);
    message.result(static_cast<unsigned>(response.status));
    message.set(Field::server, "renderyard");
    if (!response.content_type.empty()) message.set(Field::content_type, response.content_type);
    for (const auto& [name, value] : response.headers) message.set(name, value);
    message.keep_alive(keep_alive_);
  }

  // True when another request may follow.
  base::Task<bool> send(Response response) {
    if (shared_.stopping) keep_alive_ = false;
    if (response.blob) co_return co_await send_blob(std::move(response));
    bhttp::response<bhttp::string_body> message;
    fill_header(message, response);
    const std::size_t size = response.body.size();
    const bool has_length = response.status != 204 && response.status != 304;
    if (!head_only_) message.body() = std::move(response.body);
    if (has_length) message.content_length(size);
    limit(config_.io_timeout);
    auto [error, written] = co_await bhttp::async_write(stream_, message, kToken);
    const bool sent = !error;
    co_return sent&& keep_alive_;
  }

  base::Task<bool> send_blob(Response response) {
    bhttp::response<bhttp::buffer_body> message;
    fill_header(message, response);
    message.content_length(static_cast<std::uint64_t>(response.blob_size));
    message.body().data = nullptr;
    message.body().more = !head_only_ && response.blob_size > 0;
    bhttp::response_serializer<bhttp::buffer_body> serializer(message);
    limit(config_.io_timeout);
    auto [error, written] = co_await bhttp::async_write_header(stream_, serializer, kToken);
    if (error) co_return false;
    if (head_only_ || response.blob_size == 0) co_return keep_alive_;
    std::int64_t offset = 0;
    while (offset < response.blob_size) {
      auto piece = co_await response.blob->read(offset, kChunk);
      if (!piece.ok() || piece->empty()) {
        // The length was promised: only a broken connection can say that the rest is missing.
        shared_.deps.journal.error("artifact_read_failed", {{base::key::kReason, piece.status().ToString()}});
        co_return false;
      }
      offset += static_cast<std::int64_t>(piece->size());
      message.body().data = piece->data();
      message.body().size = piece->size();
      message.body().more = offset < response.blob_size;
      limit(config_.io_timeout);
      auto [write_error, bytes] = co_await bhttp::async_write(stream_, serializer, kToken);
      if (write_error && write_error != bhttp::error::need_buffer) co_return false;
    }
    co_return keep_alive_;
  }

  base::Task<bool> upgrade(ports::User user) {
    if (!beast::websocket::is_upgrade(parser_->get())) {
      Response response = problem_response(make_problem(
          code::kInvalidField, "this address speaks WebSocket: send Upgrade: websocket (RFC 6455)", "Upgrade"));
      response.status = 426;
      response.headers.emplace_back("Upgrade", "websocket");
      co_return co_await send_early(std::move(response));
    }
    const auto& message = parser_->get();
    ws::Opening opening{std::move(stream_), {}, std::move(user), token_, false, {}};
    opening.request.base() = message.base();
    opening.names_protocol = offers_renderyard_protocol(text(message[Field::sec_websocket_protocol]));
    opening.on_closer = [this](std::function<void()> close) { handle_.close = std::move(close); };
    upgraded_ = true;
    const ws::Deps deps{shared_.deps.strand, shared_.deps.clock, shared_.deps.journal, shared_.deps.gateway};
    const absl::Status ended = co_await ws::serve(deps, config_.ws, std::move(opening));
    ended.IgnoreError();  // always OK
    co_return false;
  }

  base::Task<> hang_up() {
    beast::error_code ignored;
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    // Reads what is still on its way, a moment long and bounded, so that the peer gets our answer and not a reset.
    std::vector<char> sink(16 * 1024);
    std::size_t left = 1024 * 1024;
    stream_.expires_after(std::chrono::seconds(1));
    for (;;) {
      const asio::mutable_buffer into(sink.data(), sink.size());
      auto [error, size] = co_await stream_.async_read_some(into, kToken);
      if (error || size >= left) break;
      left -= size;
    }
    stream_.close();
  }

  void note(const std::string& method, const std::string& target, int status) {
    const auto elapsed = absl::ToInt64Milliseconds(shared_.deps.clock.now() - began_);
    shared_.deps.journal.debug("http_request", {{"method", method},
                                                {"path", target.substr(0, target.find('?'))},
                                                {"status", status},
                                                {base::key::kElapsedMs, elapsed}});
  }

  Shared& shared_;
  const ServerConfig& config_;
  Handle& handle_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string token_;
  absl::Time began_;
  bool keep_alive_ = false;
  bool head_only_ = false;
  bool upgraded_ = false;
};

}  // namespace

base::Task<absl::Status> serve_connection(Shared& shared, Handle& handle, beast::tcp_stream stream) {
  Connection connection(shared, handle, std::move(stream));
  co_return co_await connection.run();
}

base::Task<absl::Status> refuse_connection(Shared& shared, beast::tcp_stream stream) {
  Handle handle;
  Connection connection(shared, handle, std::move(stream));
  co_return co_await connection.refuse();
}

}  // namespace renderyard::gateway::http
