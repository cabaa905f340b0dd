#include "bench/bare_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace renderyard::bench {

namespace {
constexpr int kPatienceSeconds = 30;
}

Connection::Connection(int port) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  const timeval limit{kPatienceSeconds, 0};
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(descriptor_);
    throw std::runtime_error("cannot connect to port " + std::to_string(port));
  }
}

Connection::~Connection() {
  ::close(descriptor_);
}

void Connection::send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) throw std::runtime_error("the connection broke while sending");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void Connection::receive() {
  char chunk[65536];
  const ssize_t n = ::recv(descriptor_, chunk, sizeof(chunk), 0);
  if (n <= 0) throw std::runtime_error("nothing came");
  buffer.append(chunk, static_cast<std::size_t>(n));
}

std::string Connection::head() {
  std::size_t end = std::string::npos;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) receive();
  std::string out = buffer.substr(0, end + 4);
  buffer.erase(0, end + 4);
  return out;
}

std::string HttpClient::get(const std::string& target) {
  return exchange("GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
}

std::string HttpClient::post(const std::string& target, std::string_view body) {
  std::string request = "POST " + target +
                        " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " +
                        std::to_string(body.size()) + "\r\n\r\n";
  request += body;
  return exchange(request);
}

std::string HttpClient::exchange(std::string_view request) {
  connection_.send(request);
  const std::string head = connection_.head();
  const std::string length = text_between(head, "Content-Length: ", "\r\n");
  if (length.empty()) throw std::runtime_error("an answer without Content-Length: " + head);
  const std::size_t size = std::stoul(length);
  while (connection_.buffer.size() < size) connection_.receive();
  std::string body = connection_.buffer.substr(0, size);
  connection_.buffer.erase(0, size);
  if (head.substr(9, 3) != "200") throw std::runtime_error("answered " + head.substr(9, 3) + ": " + body);
  return body;
}

SocketReader::SocketReader(int port, const std::string& client_id) : connection_(port) {
  connection_.send("GET /ws?clientId=" + client_id +
                   " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  if (connection_.head().find(" 101 ") == std::string::npos) throw std::runtime_error("no WebSocket");
}

std::string SocketReader::next() {
  std::string_view text;
  std::size_t size = 0;
  while ((size = frame(text)) == 0) connection_.receive();
  ++messages_;
  std::string message(text);
  connection_.buffer.erase(0, size);
  return message;
}

void SocketReader::wait_for_end(const std::string& prompt_id) {
  for (;;) {
    const std::string text = next();
    const bool end = text.find("\"type\": \"executing\"") != std::string::npos &&
                     text.find("\"node\": null") != std::string::npos && text.find(prompt_id) != std::string::npos;
    if (end) return;
  }
}

std::size_t SocketReader::frame(std::string_view& text) {
  const std::string_view rest = connection_.buffer;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  if (rest.size() < 2) return 0;
  std::size_t head = 2;
  std::size_t size = byte(1) & 0x7fu;
  const std::size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
  if (rest.size() < head + more) return 0;
  if (more > 0) size = 0;
  for (std::size_t i = 0; i < more; ++i) size = size << 8 | byte(head + i);
  head += more;
  if (rest.size() < head + size) return 0;
  text = rest.substr(head, size);
  return head + size;
}

std::string text_between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t begin = text.find(before);
  if (begin == std::string_view::npos) return {};
  const std::size_t from = begin + before.size();
  const std::size_t end = text.find(after, from);
  return end == std::string_view::npos ? std::string() : std::string(text.substr(from, end - from));
}

}  // namespace renderyard::bench
