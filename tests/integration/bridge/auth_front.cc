#include "tests/integration/bridge/auth_front.h"

#include <absl/strings/ascii.h>

#include <array>
#include <boost/asio/buffers_iterator.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <mutex>
#include <thread>
#include <utility>

namespace renderyard::testing {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

}  // namespace

class AuthFront::Impl {
 public:
  Impl(const std::string& upstream, std::string base, const std::string& certificate, Headers required)
      : base_(std::move(base)),
        tls_(asio::ssl::context::tls_server),
        acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        required_(std::move(required)) {
    const auto colon = upstream.rfind(':');
    upstream_ = tcp::endpoint(asio::ip::address_v4::loopback(),
                              static_cast<std::uint16_t>(std::stoi(upstream.substr(colon + 1))));
    tls_.use_certificate(asio::buffer(certificate), asio::ssl::context::pem);
    tls_.use_private_key(asio::buffer(certificate), asio::ssl::context::pem);
    accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Impl() {
    io_.stop();
    thread_.join();
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  const std::string& base() const { return base_; }

  mutable std::mutex mutex_;
  std::vector<Seen> seen_;  // guarded by mutex_, as what follows
  int connections_ = 0;

  void require(Headers required) {
    const std::lock_guard lock(mutex_);
    required_ = std::move(required);
  }

 private:
  class Pass;

  void accept();

  // Notes the request; whether it may come in.
  bool admit(const Seen& request) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(request);
    for (const auto& [name, value] : required_) {
      const auto found = request.headers.find(name);
      if (found == request.headers.end() || found->second != value) return false;
    }
    return true;
  }

  const std::string base_;
  asio::io_context io_{1};
  asio::ssl::context tls_;
  tcp::endpoint upstream_;
  tcp::acceptor acceptor_;
  Headers required_;
  std::thread thread_;
};

// One connection.
class AuthFront::Impl::Pass : public std::enable_shared_from_this<Pass> {
 public:
  Pass(Impl& front, tcp::socket socket) : front_(front), client_(std::move(socket), front.tls_), server_(front.io_) {}

  void start() {
    client_.async_handshake(asio::ssl::stream_base::server, [self = shared_from_this()](error_code error) {
      if (!error) self->read_head();
    });
  }

 private:
  void read_head() {
    asio::async_read_until(client_, asio::dynamic_buffer(head_), "\r\n\r\n",
                           [self = shared_from_this()](error_code error, std::size_t size) {
                             if (!error) self->enter(size);
                           });
  }

  void enter(std::size_t size) {
    Seen request;
    std::string forwarded;
    bool upgrade = false;
    std::size_t at = 0;
    while (at < size) {
      const auto end = head_.find("\r\n", at);
      const std::string line = head_.substr(at, end - at);
      at = end + 2;
      if (request.line.empty()) {
        request.line = line;
        continue;
      }
      const auto colon = line.find(':');
      if (colon == std::string::npos) continue;
      const std::string name = absl::AsciiStrToLower(line.substr(0, colon));
      request.headers[name] = std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
      if (name == "upgrade") upgrade = true;
      if (name != "connection") forwarded += line + "\r\n";
    }
    const bool admitted = front_.admit(request);
    const auto path = request.line.find(' ') + 1;
    if (!admitted || request.line.compare(path, front_.base_.size(), front_.base_) != 0) {
      return answer(admitted ? "404 Not Found" : "401 Unauthorized");
    }
    forwarded = request.line.substr(0, path) + request.line.substr(path + front_.base_.size()) + "\r\n" + forwarded +
                (upgrade ? "Connection: Upgrade\r\n\r\n" : "Connection: close\r\n\r\n") + head_.substr(size);
    head_ = std::move(forwarded);
    server_.async_connect(front_.upstream_, [self = shared_from_this()](error_code error) {
      if (error) return self->answer("502 Bad Gateway");
      asio::async_write(self->server_, asio::buffer(self->head_), [self](error_code failure, std::size_t) {
        if (failure) return;
        self->copy(self->client_, self->server_, self->to_server_);
        self->copy(self->server_, self->client_, self->to_client_);
      });
    });
  }

  void answer(const std::string& status) {
    head_ = "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    asio::async_write(client_, asio::buffer(head_), [self = shared_from_this()](error_code, std::size_t) {});
  }

  template <class From, class To>
  void copy(From& from, To& to, std::array<char, 16384>& buffer) {
    from.async_read_some(asio::buffer(buffer),
                         [self = shared_from_this(), &from, &to, &buffer](error_code error, std::size_t size) {
                           if (error) return self->end();
                           asio::async_write(to, asio::buffer(buffer.data(), size),
                                             [self, &from, &to, &buffer](error_code failure, std::size_t) {
                                               if (failure) return self->end();
                                               self->copy(from, to, buffer);
                                             });
                         });
  }

  // Either side's end is the end of both.
  void end() {
    error_code ignored;
    server_.close(ignored);
    client_.lowest_layer().shutdown(tcp::socket::shutdown_both, ignored);
  }

  Impl& front_;
  asio::ssl::stream<tcp::socket> client_;
  tcp::socket server_;
  std::string head_;
  std::array<char, 16384> to_server_{};
  std::array<char, 16384> to_client_{};
};

void AuthFront::Impl::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (error) return;
    {
      const std::lock_guard lock(mutex_);
      ++connections_;
    }
    std::make_shared<Pass>(*this, std::move(socket))->start();
    accept();
  });
}

AuthFront::AuthFront(const std::string& upstream, std::string base, const std::string& certificate, Headers required)
    : impl_(std::make_unique<Impl>(upstream, std::move(base), certificate, std::move(required))) {}
AuthFront::~AuthFront() = default;

std::string AuthFront::url(const std::string& host) const {
  return "https://" + host + ":" + std::to_string(impl_->port()) + impl_->base();
}

void AuthFront::require(Headers required) {
  impl_->require(std::move(required));
}

std::vector<AuthFront::Seen> AuthFront::seen() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->seen_;
}

int AuthFront::connections() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->connections_;
}

}  // namespace renderyard::testing
