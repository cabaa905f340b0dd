#include "cli/feed_client.h"

#include <absl/strings/str_cat.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/url/parse.hpp>
#include <chrono>
#include <utility>

namespace renderyard::cli {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using asio::ip::tcp;

constexpr auto kConnectLimit = std::chrono::seconds(10);
constexpr auto kIdleLimit = std::chrono::seconds(45);  // the gateway says something every 15 s

struct Target {
  bool tls = false;
  std::string host;
  std::string port;
  std::string path;
};

absl::StatusOr<Target> parse_target(const std::string& base) {
  const auto url = boost::urls::parse_uri(base);
  if (url.has_error() || (url->scheme() != "http" && url->scheme() != "https")) {
    return absl::InvalidArgumentError(absl::StrCat("the gateway's address must be http://host:port, not ", base));
  }
  Target target;
  target.tls = url->scheme() == "https";
  target.host = std::string(url->encoded_host().data(), url->encoded_host().size());
  target.port = std::string(url->port().data(), url->port().size());
  if (target.port.empty()) target.port = target.tls ? "443" : "80";
  target.path = std::string(url->encoded_path().data(), url->encoded_path().size()) + "/api/v1/ws";
  return target;
}

absl::Status broken(std::string_view what, const boost::system::error_code& error) {
  return absl::UnavailableError(absl::StrCat(std::string(what), ": ", error.message()));
}

template <class Next>
class Client final : public FeedClient {
 public:
  template <class... Args>
  explicit Client(std::unique_ptr<asio::io_context> io, Args&&... args)
      : io_(std::move(io)), stream_(*io_, std::forward<Args>(args)...) {}

  websocket::stream<Next>& stream() { return stream_; }

  absl::Status open(const Target& target, const std::string& token) {
    boost::system::error_code error;
    tcp::resolver resolver(*io_);
    std::string host = target.host;
    if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
    const auto endpoints = resolver.resolve(host, target.port, error);
    if (error) return broken(target.host, error);
    auto& lowest = beast::get_lowest_layer(stream_);
    lowest.expires_after(kConnectLimit);
    wait([&](auto done) { lowest.async_connect(endpoints, [done](auto failed, const auto&) { done(failed); }); },
         error);
    if (error) return broken("connect", error);
    if constexpr (!std::is_same_v<Next, beast::tcp_stream>) {
      auto& tls = stream_.next_layer();
      SSL_set_tlsext_host_name(tls.native_handle(), host.c_str());
      tls.set_verify_callback(asio::ssl::host_name_verification(host));
      wait([&](auto done) { tls.async_handshake(asio::ssl::stream_base::client, done); }, error);
      if (error) return broken("TLS", error);
    }
    lowest.expires_never();
    websocket::stream_base::timeout timeout{};
    timeout.handshake_timeout = kConnectLimit;
    timeout.idle_timeout = kIdleLimit;
    timeout.keep_alive_pings = true;
    stream_.set_option(timeout);
    stream_.read_message_max(64 * 1024 * 1024);
    stream_.set_option(websocket::stream_base::decorator([token](websocket::request_type& request) {
      request.set(beast::http::field::authorization, absl::StrCat("Bearer ", token));
      request.set(beast::http::field::user_agent, "renderyard");
    }));
    websocket::response_type response;
    const std::string host_header = absl::StrCat(target.host, ":", target.port);
    wait([&](auto done) { stream_.async_handshake(response, host_header, target.path, done); }, error);
    if (response.result_int() == 401) return absl::UnauthenticatedError("unauthenticated: the token was not accepted");
    if (error) return broken("WebSocket", error);
    return absl::OkStatus();
  }

  absl::Status send(const std::string& text) override {
    boost::system::error_code error;
    wait([&](auto done) { stream_.async_write(asio::buffer(text), [done](auto failed, auto) { done(failed); }); },
         error);
    return error ? broken("send", error) : absl::OkStatus();
  }

  absl::StatusOr<std::optional<std::string>> receive(absl::Duration limit) override {
    if (!reading_) {
      reading_ = true;
      stream_.async_read(buffer_, [this](auto failed, auto) {
        read_error_ = failed;
        read_done_ = true;
      });
    }
    const auto until = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(limit);
    io_->restart();
    while (!read_done_ && io_->run_one_until(until) != 0) {
    }
    if (!read_done_) return std::optional<std::string>();
    reading_ = read_done_ = false;
    if (read_error_) return broken("the connection ended", read_error_);
    std::optional<std::string> text(beast::buffers_to_string(buffer_.data()));
    buffer_.consume(buffer_.size());
    return text;
  }

 private:
  // Starts an operation and runs until it calls back; each operation has a time limit of its own.
  template <class Start>
  void wait(Start start, boost::system::error_code& error) {
    bool done = false;
    start([&](boost::system::error_code result) {
      error = result;
      done = true;
    });
    io_->restart();
    while (!done && io_->run_one() != 0) {
    }
  }

  std::unique_ptr<asio::io_context> io_;
  websocket::stream<Next> stream_;
  beast::flat_buffer buffer_;
  bool reading_ = false;
  bool read_done_ = false;
  boost::system::error_code read_error_;
};

using PlainClient = Client<beast::tcp_stream>;
using TlsClient = Client<beast::ssl_stream<beast::tcp_stream>>;

// Keeps the TLS context as long as the stream that uses it.
class TlsFeed final : public FeedClient {
 public:
  TlsFeed() : context_(asio::ssl::context::tls_client) {
    context_.set_default_verify_paths();
    context_.set_verify_mode(asio::ssl::verify_peer);
    client_ = std::make_unique<TlsClient>(std::make_unique<asio::io_context>(), context_);
  }
  absl::Status open(const Target& target, const std::string& token) { return client_->open(target, token); }
  absl::Status send(const std::string& text) override { return client_->send(text); }
  absl::StatusOr<std::optional<std::string>> receive(absl::Duration limit) override { return client_->receive(limit); }

 private:
  asio::ssl::context context_;
  std::unique_ptr<TlsClient> client_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<FeedClient>> open_feed(const std::string& base, const std::string& token) {
  const auto target = parse_target(base);
  if (!target.ok()) return target.status();
  if (target->tls) {
    auto feed = std::make_unique<TlsFeed>();
    const absl::Status status = feed->open(*target, token);
    if (!status.ok()) return status;
    return feed;
  }
  auto feed = std::make_unique<PlainClient>(std::make_unique<asio::io_context>());
  const absl::Status status = feed->open(*target, token);
  if (!status.ok()) return status;
  return feed;
}

}  // namespace renderyard::cli
