#include "libs/common/runtime/admin_http.h"

#include <absl/strings/str_cat.h>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "libs/common/runtime/token.h"

namespace renderyard::runtime {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr int kMaxSessions = 32;
constexpr auto kSessionTime = std::chrono::seconds(10);
constexpr std::uint32_t kHeaderLimit = 8192;

}  // namespace

struct AdminHttp::Server : std::enable_shared_from_this<AdminHttp::Server> {
  template <class Stream>
  struct Session;

  Server(asio::io_context& context, const Health& service_health, const Metrics& service_metrics)
      : io(context), health(service_health), metrics(service_metrics), acceptor(context), pause(context) {}

  absl::Status open(const std::string& listen, const TransportSecurity& security);
  absl::Status use_tls(const TransportSecurity& security);
  void accept();
  http::response<http::string_body> answer(const http::request<http::empty_body>& request) const;

  asio::io_context& io;
  const Health& health;
  const Metrics& metrics;
  tcp::acceptor acceptor;
  asio::steady_timer pause;
  std::unique_ptr<asio::ssl::context> tls;  // set when bound to anything but loopback
  std::string token;
  int sessions = 0;
  bool stopped = false;
};

// One request, one answer, then the connection is closed.
template <class Stream>
struct AdminHttp::Server::Session : std::enable_shared_from_this<Session<Stream>> {
  template <class... Args>
  explicit Session(std::shared_ptr<Server> owner, Args&&... args)
      : server(std::move(owner)), stream(std::forward<Args>(args)...) {
    ++server->sessions;
    parser.header_limit(kHeaderLimit);
    parser.body_limit(0);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() { --server->sessions; }

  void read() {
    http::async_read(stream, buffer, parser, [self = this->shared_from_this()](beast::error_code error, std::size_t) {
      if (!error && !self->server->stopped) self->write();
    });
  }

  void write() {
    response = server->answer(parser.get());
    http::async_write(stream, response, [self = this->shared_from_this()](beast::error_code, std::size_t) {
      beast::error_code ignored;
      beast::get_lowest_layer(self->stream).socket().shutdown(tcp::socket::shutdown_both, ignored);
    });
  }

  std::shared_ptr<Server> server;
  Stream stream;
  beast::flat_buffer buffer;
  http::request_parser<http::empty_body> parser;
  http::response<http::string_body> response;
};

absl::Status AdminHttp::Server::use_tls(const TransportSecurity& security) {
  ASSIGN_OR_RETURN(token, read_service_token(security.service_token_file));
  tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  boost::system::error_code error;
  tls->set_options(
      asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
  if (!error) tls->use_certificate_chain_file(security.tls_cert, error);
  if (!error) tls->use_private_key_file(security.tls_key, asio::ssl::context::pem, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tls-cert, --tls-key: '", security.tls_cert, "', '", security.tls_key, "': ", error.message()));
  }
  return absl::OkStatus();
}

absl::Status AdminHttp::Server::open(const std::string& listen, const TransportSecurity& security) {
  RETURN_IF_ERROR(check_listener("--admin-listen", listen, security));
  ASSIGN_OR_RETURN(ListenAddress address, parse_listen_address(listen));
  if (!is_loopback(address)) RETURN_IF_ERROR(use_tls(security));
  if (address.host == "localhost") address.host = "127.0.0.1";
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address.host, error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("--admin-listen: '", address.host, "' is not an IP address"));
  }
  const tcp::endpoint endpoint(ip, address.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kMaxSessions, error);
  if (error) return absl::UnavailableError(absl::StrCat("--admin-listen: ", listen, ": ", error.message()));
  accept();
  return absl::OkStatus();
}

void AdminHttp::Server::accept() {
  acceptor.async_accept([self = shared_from_this()](boost::system::error_code error, tcp::socket socket) {
    if (self->stopped || error == asio::error::operation_aborted) return;
    if (!error && self->sessions < kMaxSessions) {
      if (self->tls) {
        auto session =
            std::make_shared<Session<beast::ssl_stream<beast::tcp_stream>>>(self, std::move(socket), *self->tls);
        beast::get_lowest_layer(session->stream).expires_after(kSessionTime);
        session->stream.async_handshake(asio::ssl::stream_base::server, [session](beast::error_code failed) {
          if (!failed) session->read();
        });
      } else {
        auto session = std::make_shared<Session<beast::tcp_stream>>(self, std::move(socket));
        session->stream.expires_after(kSessionTime);
        session->read();
      }
    }
    if (error) {
      // Out of descriptors or the like: it would fail again at once.
      self->pause.expires_after(std::chrono::milliseconds(100));
      self->pause.async_wait([self](boost::system::error_code) {
        if (!self->stopped) self->accept();
      });
      return;
    }
    self->accept();
  });
}

http::response<http::string_body> AdminHttp::Server::answer(const http::request<http::empty_body>& request) const {
  const auto header = request[http::field::authorization];
  const bool trusted = !tls || bears_token(std::string_view(header.data(), header.size()), token);
  const std::string_view target(request.target().data(), request.target().size());
  http::response<http::string_body> response;
  response.version(11);
  response.keep_alive(false);
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.set(http::field::cache_control, "no-store");
  if (request.method() != http::verb::get) {
    response.result(http::status::method_not_allowed);
    response.set(http::field::allow, "GET");
  } else if (target == "/livez") {
    response.body() = "ok\n";
  } else if (target == "/readyz") {
    // Probes of an orchestrator have no token: they get the status, the reasons are for those who do.
    const bool ready = health.ready();
    response.result(ready ? http::status::ok : http::status::service_unavailable);
    response.set(http::field::content_type, "application/json");
    response.body() = trusted ? health.json() : (ready ? "{\"ready\":true}\n" : "{\"ready\":false}\n");
  } else if (target == "/metrics") {
    if (trusted) {
      response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
      response.body() = metrics.exposition();
    } else {
      response.result(http::status::unauthorized);
      response.set(http::field::www_authenticate, "Bearer");
    }
  } else {
    response.result(http::status::not_found);
  }
  response.prepare_payload();
  return response;
}

AdminHttp::AdminHttp(asio::io_context& io, const Health& health, const Metrics& metrics)
    : server_(std::make_shared<Server>(io, health, metrics)) {}
AdminHttp::~AdminHttp() {
  stop();
}

absl::Status AdminHttp::start(const std::string& listen, const TransportSecurity& security) {
  if (listen.empty()) return absl::OkStatus();
  return server_->open(listen, security);
}

std::string AdminHttp::address() const {
  boost::system::error_code error;
  const auto endpoint = server_->acceptor.local_endpoint(error);
  if (error) return {};
  return ListenAddress{endpoint.address().to_string(), endpoint.port()}.text();
}

void AdminHttp::stop() {
  server_->stopped = true;
  boost::system::error_code ignored;
  server_->acceptor.close(ignored);
  server_->pause.cancel();
}

}  // namespace renderyard::runtime
