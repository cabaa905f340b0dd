#include "services/bridge/comfy/ws_transport.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>
#include <websocketpp/client.hpp>
#include <websocketpp/config/asio_client.hpp>

namespace renderyard::comfy {

namespace {

namespace asio = boost::asio;

constexpr std::size_t kMaxMessage = std::size_t{256} << 20;

// websocketpp is given addresses, never names (it looks names up one after the other, for everybody): the Host header
// is the one we set first, and stays.
template <class Base>
class NamedRequest : public Base {
 public:
  void replace_header(const std::string& key, const std::string& value) {
    if (key != "Host") return Base::replace_header(key, value);
    if (!std::exchange(named_, true)) Base::replace_header(key, value);
  }

 private:
  bool named_ = false;
};

// TCP connect and name resolution have limits at compile time only; ours is a timer of its own.
template <class Base>
struct QuietConfig : public Base {
  using type = QuietConfig;
  using concurrency_type = typename Base::concurrency_type;
  using request_type = NamedRequest<typename Base::request_type>;
  using response_type = typename Base::response_type;
  using message_type = typename Base::message_type;
  using con_msg_manager_type = typename Base::con_msg_manager_type;
  using endpoint_msg_manager_type = typename Base::endpoint_msg_manager_type;
  using alog_type = typename Base::alog_type;
  using elog_type = typename Base::elog_type;
  using rng_type = typename Base::rng_type;

  // Per connection, and there are thousands: progress is a few hundred bytes, a preview comes in pieces.
  static const std::size_t connection_read_buffer_size = 2048;

  struct transport_config : public Base::transport_config {
    // Longer than any patience of ours, and no longer: an attempt that was cut keeps its memory for so long.
    static const long timeout_connect = 30000;
    static const long timeout_dns_resolve = 30000;
    static const long timeout_socket_post_init = 30000;
  };
  using transport_type = websocketpp::transport::asio::endpoint<transport_config>;
};

using PlainClient = websocketpp::client<QuietConfig<websocketpp::config::asio_client>>;
using TlsClient = websocketpp::client<QuietConfig<websocketpp::config::asio_tls_client>>;

template <class Client>
void prepare(Client& client, asio::io_context& context) {
  client.clear_access_channels(websocketpp::log::alevel::all);
  client.clear_error_channels(websocketpp::log::elevel::all);
  client.init_asio(&context);
  client.set_user_agent("renderyard-bridge");
}

template <class Connection>
absl::Status why_ended(const Connection& connection) {
  const int http_status = static_cast<int>(connection.get_response_code());
  if (http_status >= 200) {
    return absl::UnavailableError("the WebSocket handshake was answered with " + std::to_string(http_status));
  }
  if (const auto error = connection.get_ec()) return absl::UnavailableError("WebSocket: " + error.message());
  return absl::UnavailableError("WebSocket closed with code " + std::to_string(connection.get_remote_close_code()));
}

// The name in the certificate must be the one we asked for.
void verify_name(PlainClient::connection_type&, const std::string&) {}
void verify_name(TlsClient::connection_type& connection, const std::string& host) {
  connection.get_socket().set_verify_callback(asio::ssl::host_name_verification(host));
}

// Before the handshake, after websocketpp has said there the address that it was given. Addresses are said to nobody.
void say_name(PlainClient::connection_type&, const std::string&) {}
void say_name(TlsClient::connection_type& connection, const std::string& host) {
  boost::system::error_code no_address;
  asio::ip::make_address(host, no_address);
  // What SSL_set_tlsext_host_name() stands for, without its cast.
  SSL_ctrl(connection.get_socket().native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
           no_address ? const_cast<char*>(host.c_str()) : nullptr);
}

// Everything below the constructor runs on the io thread.
template <class Client>
class Line final : public WsLine, public std::enable_shared_from_this<Line<Client>> {
 public:
  using Connection = typename Client::connection_type;

  Line(asio::io_context& context, Resolver& resolver, std::shared_ptr<void> endpoints, Client& client, InstanceUrl url,
       std::string target, std::string greeting, WsHandlers handlers)
      : context_(context),
        resolver_(resolver),
        endpoints_(std::move(endpoints)),
        client_(client),
        url_(std::move(url)),
        target_(std::move(target)),
        greeting_(std::move(greeting)),
        timer_(context),
        handlers_(std::move(handlers)) {}

  void begin(absl::Duration patience) {
    asio::post(context_, [self = this->shared_from_this(), patience] { self->look_up(patience); });
  }
  void ping(std::string payload) override {
    asio::post(context_, [self = this->shared_from_this(), payload = std::move(payload)] {
      websocketpp::lib::error_code error;  // a dead connection shows by the pong that does not come
      if (self->connection_) self->connection_->ping(payload, error);
    });
  }
  void close(absl::Duration patience) override {
    asio::post(context_, [self = this->shared_from_this(), patience] { self->say_goodbye(patience); });
  }
  void abort() override {
    asio::post(context_, [self = this->shared_from_this()] { self->cut(); });
  }

 private:
  void look_up(absl::Duration patience) {
    if (ended_ || cut_) return finish(absl::CancelledError("cancelled"));
    const auto patience_ms = std::clamp<std::int64_t>(absl::ToInt64Milliseconds(patience), 1, 3600000);
    cut_after(std::chrono::milliseconds(patience_ms));
    give_up_at_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience_ms);
    resolver_.resolve(url_.host, url_.port,
                      [self = this->shared_from_this()](Resolver::Endpoints found, const std::string& error) {
                        if (self->ended_ || self->cut_) return;
                        if (found.empty()) return self->finish(absl::UnavailableError("WebSocket: " + error));
                        self->addresses_ = std::move(found);
                        self->connect();
                      });
  }

  // To the first of the addresses that nobody tried yet.
  void connect() {
    InstanceUrl there = url_;
    const auto& address = addresses_[next_address_++].address();
    there.authority = (address.is_v6() ? "[" + address.to_string() + "]" : address.to_string()) + ":" + url_.port;
    websocketpp::lib::error_code error;
    connection_ = client_.get_connection(there.ws(target_), error);
    if (error) {
      connection_ = nullptr;
      return finish(absl::InvalidArgumentError("WebSocket: " + error.message()));
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(give_up_at_ - std::chrono::steady_clock::now());
    verify_name(*connection_, url_.host);
    connection_->replace_header("Host", url_.authority);
    for (const ports::SecretHeader& header : url_.headers) connection_->replace_header(header.name, header.value);
    connection_->set_max_message_size(kMaxMessage);
    connection_->set_open_handshake_timeout(static_cast<long>(std::max<std::int64_t>(1, left.count())));
    // The connection owns its handlers; they own us; finish() breaks the circle.
    auto self = this->shared_from_this();
    connection_->set_tcp_pre_init_handler([self, connection = std::weak_ptr(connection_)](websocketpp::connection_hdl) {
      if (const auto here = connection.lock()) say_name(*here, self->url_.host);
    });
    connection_->set_open_handler([self](websocketpp::connection_hdl) { self->opened(); });
    connection_->set_fail_handler([self](websocketpp::connection_hdl) { self->failed(); });
    connection_->set_close_handler([self](websocketpp::connection_hdl) { self->over(); });
    connection_->set_message_handler([self](websocketpp::connection_hdl, typename Client::message_ptr message) {
      self->received(message->get_opcode() == websocketpp::frame::opcode::text, message->get_payload());
    });
    connection_->set_pong_handler([self](websocketpp::connection_hdl, const std::string& payload) {
      if (self->handlers_.on_pong) self->handlers_.on_pong(payload);
    });
    client_.connect(connection_);
  }

  // Nobody answered HTTP there: another address of the name may have somebody.
  void failed() {
    const bool answered = connection_ && static_cast<int>(connection_->get_response_code()) > 0;
    if (ended_ || cut_ || answered || next_address_ >= addresses_.size()) return over();
    let_go(std::exchange(connection_, nullptr));
    connect();
  }

  void opened() {
    if (cut_) return cut();  // abandoned while the name was looked up
    timer_.cancel();
    boost::system::error_code ignored;
    socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    socket().set_option(asio::socket_base::keep_alive(true), ignored);
    connection_->send(greeting_, websocketpp::frame::opcode::text);  // failing, it ends the connection by itself
  }

  void received(bool text, const std::string& payload) {
    if (cut_) return;
    const auto& handler = text ? handlers_.on_text : handlers_.on_binary;
    if (handler && !handler(payload)) cut();
  }

  void say_goodbye(absl::Duration patience) {
    if (ended_) return;
    if (!connection_) return cut();
    const auto wait_ms = std::clamp<std::int64_t>(absl::ToInt64Milliseconds(patience), 1, 3600000);
    connection_->set_close_handshake_timeout(static_cast<long>(wait_ms));
    websocketpp::lib::error_code error;
    connection_->close(websocketpp::close::status::normal, "", error);
    if (error) return cut();  // not open yet, or closing already
    cut_after(std::chrono::milliseconds(wait_ms));
  }

  void cut_after(std::chrono::milliseconds wait) {
    timer_.expires_after(wait);
    timer_.async_wait([self = this->shared_from_this()](const boost::system::error_code& error) {
      if (!error) self->cut();
    });
  }

  void cut() {
    cut_ = true;
    if (ended_) return;
    if (connection_) {
      // Whatever is under way on the socket fails by this, and websocketpp's handlers run to their ends on their own.
      boost::system::error_code ignored;
      socket().set_option(asio::socket_base::linger(true, 0), ignored);
      socket().close(ignored);
    }
    finish(absl::UnavailableError("WebSocket: cut off"));
  }

  void over() {
    if (connection_) finish(why_ended(*connection_));
  }

  void finish(absl::Status why) {
    if (std::exchange(ended_, true)) return;
    timer_.cancel();
    auto handlers = std::exchange(handlers_, {});
    if (handlers.on_end) handlers.on_end(std::move(why));
    if (auto connection = std::exchange(connection_, nullptr)) let_go(std::move(connection));
  }

  // The connection drops our handlers when it is done itself; until then they find us ended.
  void let_go(typename Client::connection_ptr connection) {
    asio::post(context_, [connection = std::move(connection)] {
      // Cut before it tried to connect, it may do so all the same: then before the first byte it ends.
      auto close_late = [weak = std::weak_ptr(connection)](websocketpp::connection_hdl) {
        boost::system::error_code ignored;
        if (const auto late = weak.lock()) late->get_raw_socket().close(ignored);
      };
      connection->set_tcp_pre_init_handler(close_late);
      connection->set_open_handler(close_late);
      connection->set_fail_handler(nullptr);
      connection->set_close_handler(nullptr);
      connection->set_message_handler(nullptr);
      connection->set_pong_handler(nullptr);
    });
  }

  auto& socket() { return connection_->get_raw_socket(); }

  asio::io_context& context_;
  Resolver& resolver_;
  std::shared_ptr<void> endpoints_;  // keeps client_ alive
  Client& client_;
  const InstanceUrl url_;
  const std::string target_;
  const std::string greeting_;
  asio::steady_timer timer_;
  WsHandlers handlers_;
  Resolver::Endpoints addresses_;
  std::size_t next_address_ = 0;
  std::chrono::steady_clock::time_point give_up_at_;
  typename Client::connection_ptr connection_;
  bool ended_ = false;
  bool cut_ = false;
};

std::shared_ptr<asio::ssl::context> tls_context(const std::string& ca_file) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                       asio::ssl::context::no_tlsv1_1);
  boost::system::error_code error;
  context->set_default_verify_paths(error);
  if (!ca_file.empty()) context->load_verify_file(ca_file, error);
  // Without its certificates the context trusts nobody, which is what an error must mean.
  context->set_verify_mode(asio::ssl::verify_peer);
  return context;
}

}  // namespace

struct WsTransport::Endpoints {
  Endpoints(ComfyIo& io, Resolver& names, const std::string& ca_file)
      : context(io.context()), resolver(names), tls_settings(tls_context(ca_file)) {
    prepare(plain, context);
    prepare(tls, context);
    tls.set_tls_init_handler([settings = tls_settings](websocketpp::connection_hdl) { return settings; });
    tls.set_socket_init_handler([](websocketpp::connection_hdl, asio::ssl::stream<asio::ip::tcp::socket>&) {});
  }
  asio::io_context& context;
  Resolver& resolver;
  std::shared_ptr<asio::ssl::context> tls_settings;
  PlainClient plain;
  TlsClient tls;
};

WsTransport::WsTransport(ComfyIo& io, Resolver& resolver, std::string ca_file)
    : endpoints_(std::make_shared<Endpoints>(io, resolver, ca_file)) {}
WsTransport::~WsTransport() = default;

std::shared_ptr<WsLine> WsTransport::connect(const InstanceUrl& url, std::string_view target, std::string greeting,
                                             absl::Duration patience, WsHandlers handlers) {
  const auto open = [&](auto& client) -> std::shared_ptr<WsLine> {
    using Client = std::remove_reference_t<decltype(client)>;
    auto line = std::make_shared<Line<Client>>(endpoints_->context, endpoints_->resolver, endpoints_, client, url,
                                               std::string(target), std::move(greeting), std::move(handlers));
    line->begin(patience);
    return line;
  };
  return url.tls ? open(endpoints_->tls) : open(endpoints_->plain);
}

}  // namespace renderyard::comfy
