#include "tests/integration/comfy/raw_server.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace renderyard::testing {

namespace {

constexpr auto kLimit = std::chrono::seconds(20);

void set_limits(int fd) {
  timeval limit{.tv_sec = std::chrono::seconds(kLimit).count(), .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

int listen_on_loopback(std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || ::bind(fd, generic, size) != 0 || ::listen(fd, 64) != 0 || ::getsockname(fd, generic, &size) != 0) {
    throw std::runtime_error("cannot listen on loopback");
  }
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

RawConnection::RawConnection(int fd, ssl_st* ssl) : fd_(fd), ssl_(ssl) {}

RawConnection::~RawConnection() {
  close();
  if (ssl_ != nullptr) SSL_free(ssl_);
}

std::size_t RawConnection::read_some() {
  char bytes[65536];
  const auto got = ssl_ != nullptr ? SSL_read(ssl_, bytes, sizeof bytes) : ::recv(fd_, bytes, sizeof bytes, 0);
  if (got <= 0) return 0;
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return static_cast<std::size_t>(got);
}

std::optional<std::string> RawConnection::read_until(std::string_view end) {
  std::size_t at = 0;
  while ((at = buffer_.find(end)) == std::string::npos) {
    if (read_some() == 0) return std::nullopt;
  }
  return read_exactly(at + end.size());
}

std::optional<std::string> RawConnection::read_exactly(std::size_t size) {
  while (buffer_.size() < size) {
    if (read_some() == 0) return std::nullopt;
  }
  std::string out = buffer_.substr(0, size);
  buffer_.erase(0, size);
  return out;
}

std::optional<RawRequest> RawConnection::read_head() {
  auto head = read_until("\r\n\r\n");
  if (!head) return std::nullopt;
  RawRequest request;
  request.head = *head;
  request.line = head->substr(0, head->find("\r\n"));
  std::size_t at = request.line.size() + 2;
  while (at + 2 < head->size()) {
    const auto end = head->find("\r\n", at);
    const auto line = head->substr(at, end - at);
    const auto colon = line.find(':');
    if (colon != std::string::npos) {
      request.headers[absl::AsciiStrToLower(line.substr(0, colon))] =
          std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
    }
    at = end + 2;
  }
  return request;
}

std::optional<RawRequest> RawConnection::read_request() {
  auto request = read_head();
  if (!request) return std::nullopt;
  const auto length = request->headers.find("content-length");
  if (length == request->headers.end()) return request;
  auto body = read_exactly(std::stoul(length->second));
  if (!body) return std::nullopt;
  request->body = *std::move(body);
  return request;
}

bool RawConnection::read_to_end() {
  for (;;) {
    buffer_.clear();
    char bytes[65536];
    const auto got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got == 0) return true;
    if (got < 0) return errno == ECONNRESET;
  }
}

bool RawConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent =
        ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)))
                        : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawConnection::answer(int status, std::string_view body, std::string_view type) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: " + std::string(type) +
                    "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  out += body;
  return send(out);
}

void RawConnection::end_sending() {
  ::shutdown(fd_, SHUT_WR);
}

void RawConnection::close() {
  const std::lock_guard lock(mutex_);
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void RawConnection::stop_reading() {
  const std::lock_guard lock(mutex_);
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RD);
}

void RawConnection::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

std::optional<RawRequest> RawConnection::accept_websocket() {
  auto request = read_head();
  if (!request) return std::nullopt;
  const std::string seed = request->headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(seed.data(), seed.size(), digest, &size, EVP_sha1(), nullptr);
  const std::string accept = absl::Base64Escape({reinterpret_cast<const char*>(digest), size});
  send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
       accept + "\r\n\r\n");
  return request;
}

bool RawConnection::send_frame(int opcode, std::string_view payload) {
  std::string frame(1, static_cast<char>(0x80 | opcode));
  if (payload.size() < 126) {
    frame += static_cast<char>(payload.size());
  } else if (payload.size() < 65536) {
    frame += static_cast<char>(126);
    for (int shift = 8; shift >= 0; shift -= 8) frame += static_cast<char>((payload.size() >> shift) & 0xFF);
  } else {
    frame += static_cast<char>(127);
    for (int shift = 56; shift >= 0; shift -= 8) frame += static_cast<char>((payload.size() >> shift) & 0xFF);
  }
  frame += payload;
  return send(frame);
}

std::optional<RawConnection::Frame> RawConnection::read_frame() {
  auto head = read_exactly(2);
  if (!head) return std::nullopt;
  Frame frame{.opcode = (*head)[0] & 0x0F, .payload = {}};
  std::size_t size = static_cast<unsigned char>((*head)[1]) & 0x7F;
  const std::size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
  if (more > 0) {
    const auto length = read_exactly(more);
    if (!length) return std::nullopt;
    size = 0;
    for (const char c : *length) size = (size << 8) | static_cast<unsigned char>(c);
  }
  const auto mask = read_exactly(4);  // clients always mask
  auto payload = read_exactly(size);
  if (!mask || !payload) return std::nullopt;
  for (std::size_t i = 0; i < payload->size(); ++i) (*payload)[i] = static_cast<char>((*payload)[i] ^ (*mask)[i % 4]);
  frame.payload = *std::move(payload);
  return frame;
}

std::optional<RawConnection::Frame> RawConnection::read_frame(int opcode) {
  for (;;) {
    auto frame = read_frame();
    if (!frame || frame->opcode == opcode) return frame;
  }
}

void Flag::set() {
  const std::lock_guard lock(mutex_);
  set_ = true;
  changed_.notify_all();
}

bool Flag::wait() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, kLimit, [this] { return set_; });
}

bool Flag::is_set() const {
  const std::lock_guard lock(mutex_);
  return set_;
}

RawServer::RawServer(Script script, std::string certificate) : script_(std::move(script)) {
  if (!certificate.empty()) {
    tls_ = SSL_CTX_new(TLS_server_method());
    std::unique_ptr<BIO, decltype(&BIO_free)> pem(
        BIO_new_mem_buf(certificate.data(), static_cast<int>(certificate.size())), &BIO_free);
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        PEM_read_bio_PrivateKey(pem.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
    std::unique_ptr<X509, decltype(&X509_free)> cert(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr),
                                                     &X509_free);
    if (SSL_CTX_use_certificate(tls_, cert.get()) != 1 || SSL_CTX_use_PrivateKey(tls_, key.get()) != 1) {
      throw std::runtime_error("cannot use the certificate");
    }
  }
  listener_ = listen_on_loopback(port_);
  acceptor_ = std::thread([this] { accept_all(); });
}

RawServer::~RawServer() {
  finish();
  if (tls_ != nullptr) SSL_CTX_free(tls_);
}

void RawServer::finish() {
  if (stopping_.exchange(true)) return;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    threads.swap(threads_);
    for (const auto& weak : open_) {
      if (const auto connection = weak.lock()) connection->stop_reading();
    }
  }
  for (auto& thread : threads) thread.join();
}

std::string RawServer::url(std::string_view scheme, std::string_view host) const {
  return std::string(scheme) + "://" + std::string(host) + ":" + std::to_string(port_);
}

void RawServer::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++connections_;
    set_limits(fd);
    const std::lock_guard lock(mutex_);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void RawServer::serve(int fd) {
  SSL* ssl = nullptr;
  if (tls_ != nullptr) {
    ssl = SSL_new(tls_);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) != 1) {
      SSL_free(ssl);
      ::close(fd);
      return;
    }
  }
  const auto connection = std::make_shared<RawConnection>(fd, ssl);
  {
    const std::lock_guard lock(mutex_);
    open_.push_back(connection);
    if (stopping_) connection->stop_reading();
  }
  script_(*connection);
}

std::uint16_t closed_port() {
  std::uint16_t port = 0;
  ::close(listen_on_loopback(port));
  return port;
}

}  // namespace renderyard::testing
