#include "services/api-gateway/ws/session.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "libs/common/base/group.h"
#include "libs/common/domain/error_code.h"

namespace renderyard::gateway::ws {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
namespace code = domain::code;

using Stream = websocket::stream<beast::tcp_stream>;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

std::chrono::steady_clock::duration to_chrono(absl::Duration duration) {
  return absl::ToChronoNanoseconds(duration);
}

// Closes the connection when an operation takes too long; Beast's own timer looks only at what is read.
class WriteLimit {
 public:
  WriteLimit(base::Clock& clock, Stream& stream, absl::Duration limit)
      : clock_(clock),
        timer_(clock.call_at(clock.now() + limit, [&stream] { beast::get_lowest_layer(stream).close(); })) {}
  ~WriteLimit() { clock_.cancel(timer_); }
  WriteLimit(const WriteLimit&) = delete;
  WriteLimit& operator=(const WriteLimit&) = delete;

 private:
  base::Clock& clock_;
  base::Clock::TimerId timer_;
};

class Session {
 public:
  Session(Deps deps, Config config, Opening opening)
      : deps_(deps),
        config_(config),
        user_(std::move(opening.user)),
        token_(std::move(opening.token)),
        names_protocol_(opening.names_protocol),
        request_(std::move(opening.request)),
        on_closer_(std::move(opening.on_closer)),
        stream_(std::move(opening.stream)),
        readers_(deps.strand) {}

  base::Task<absl::Status> run() {
    on_closer_([this] { beast::get_lowest_layer(stream_).close(); });
    const bool open = co_await accept();
    if (open) {
      co_await talk();
    }
    on_closer_(nullptr);
    beast::get_lowest_layer(stream_).close();
    const absl::Status joined = co_await readers_.join();
    joined.IgnoreError();  // the reader only ever ends
    co_return absl::OkStatus();
  }

 private:
  base::Task<bool> accept() {
    beast::get_lowest_layer(stream_).expires_never();
    websocket::stream_base::timeout timeout{};
    timeout.handshake_timeout = to_chrono(config_.handshake_timeout);
    timeout.idle_timeout = to_chrono(config_.idle_timeout);
    timeout.keep_alive_pings = true;
    stream_.set_option(timeout);
    stream_.read_message_max(config_.max_message_bytes);
    stream_.set_option(websocket::stream_base::decorator([names = names_protocol_](websocket::response_type& response) {
      response.set(beast::http::field::server, "renderyard");
      if (names) response.set(beast::http::field::sec_websocket_protocol, "renderyard");
    }));
    auto [error] = co_await stream_.async_accept(request_, kToken);
    co_return !error;
  }

  base::Task<> talk() {
    stream_.text(true);
    hello_ = hello_text(user_, deps_.clock.wall(), deps_.gateway.config().feed.heartbeat);
    const bool greeted = co_await write(hello_);
    if (!greeted) co_return;
    std::optional<std::string> first = co_await read_first();
    if (!first) co_return;
    auto request = parse_subscribe(*first);
    if (!request.ok()) {
      co_await refuse(request.problem());
      co_return;
    }
    auto feed = deps_.gateway.subscribe(user_, *std::move(request));
    if (!feed.ok()) {
      co_await refuse(feed.problem());
      co_return;
    }
    feed_ = *std::move(feed);
    readers_.spawn_isolated(read_on());
    co_await send_feed();
    feed_->close(std::nullopt);
  }

  base::Task<> send_feed() {
    absl::Time authenticate_at = deps_.clock.now() + config_.reauthenticate;
    for (;;) {
      auto message = co_await feed_->next();
      if (!message.ok() || !message->has_value()) co_return;
      if (deps_.clock.now() >= authenticate_at) {
        authenticate_at = deps_.clock.now() + config_.reauthenticate;
        const auto user = co_await deps_.gateway.authenticate(token_);
        if (!user.ok() && user.problem().code == code::kUnauthenticated) {
          co_await refuse(user.problem());
          co_return;
        }
      }
      FeedMessage& next = **message;
      if (next.problem) {
        co_await refuse(*next.problem);
        co_return;
      }
      const bool written = co_await write(next.text);
      if (!written) co_return;
    }
  }

  // `text` lives in the caller's frame.
  base::Task<bool> write(const std::string& text) {
    const WriteLimit limit(deps_.clock, stream_, config_.write_timeout);
    const asio::const_buffer buffer(text.data(), text.size());
    auto [error, written] = co_await stream_.async_write(buffer, kToken);
    co_return !error;
  }

  // The error as a message, then the close code that means the same.
  base::Task<> refuse(Problem problem) {
    deps_.journal.info("feed_refused", {{"user_id", user_.id}, {base::key::kCode, problem.code}});
    const websocket::close_reason reason(static_cast<websocket::close_code>(problem.close_code()), problem.code);
    last_ = error_message(std::move(problem)).text;
    const bool written = co_await write(last_);
    if (!written) co_return;
    [[maybe_unused]] const auto closed = co_await stream_.async_close(reason, kToken);
  }

  base::Task<std::optional<std::string>> read_first() {
    beast::flat_buffer buffer;
    const WriteLimit limit(deps_.clock, stream_, config_.subscribe_timeout);
    auto [error, size] = co_await stream_.async_read(buffer, kToken);
    if (error) co_return std::nullopt;
    co_return beast::buffers_to_string(buffer.data());
  }

  // Beast answers pings and notices the peer's end only while somebody reads.
  base::Task<absl::Status> read_on() {
    auto feed = feed_;
    for (;;) {
      beast::flat_buffer buffer;
      auto [error, size] = co_await stream_.async_read(buffer, kToken);
      if (error) break;
      feed->close(
          make_problem(code::kInvalidField, "one subscription per connection; open another one for more", "type"));
    }
    feed->close(std::nullopt);
    co_return absl::OkStatus();
  }

  Deps deps_;
  Config config_;
  ports::User user_;
  std::string token_;
  bool names_protocol_;
  beast::http::request<beast::http::empty_body> request_;
  std::function<void(std::function<void()>)> on_closer_;
  Stream stream_;
  base::Group readers_;
  std::shared_ptr<Subscription> feed_;
  std::string hello_;
  std::string last_;
};

}  // namespace

base::Task<absl::Status> serve(Deps deps, Config config, Opening opening) {
  Session session(deps, config, std::move(opening));
  co_return co_await session.run();
}

}  // namespace renderyard::gateway::ws
