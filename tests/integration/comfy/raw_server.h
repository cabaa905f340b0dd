// RawServer: a TCP server whose every byte a test decides. Each connection runs a script on a thread of its own, over
// blocking sockets with a limit, so that a broken test ends. Knows as much of HTTP and WebSocket as scripts need.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

struct ssl_ctx_st;
struct ssl_st;

namespace renderyard::testing {

struct RawRequest {
  std::string line;                            // "GET /x HTTP/1.1"
  std::map<std::string, std::string> headers;  // names in lower case
  std::string head;                            // as it came, with the empty line
  std::string body;
};

class RawConnection {
 public:
  RawConnection(int fd, ssl_st* ssl);
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  // Bytes up to and including `end`; nullopt when the peer ended first.
  std::optional<std::string> read_until(std::string_view end);
  std::optional<std::string> read_exactly(std::size_t size);
  // Head only, or with the body its Content-Length announces.
  std::optional<RawRequest> read_head();
  std::optional<RawRequest> read_request();
  // Waits for the peer's end of TCP, throwing away what comes; false at the limit.
  bool read_to_end();

  bool send(std::string_view bytes);
  bool answer(int status, std::string_view body, std::string_view type = "application/json");
  void end_sending();
  void close();
  void reset();  // with RST
  // From another thread: whoever reads sees the end.
  void stop_reading();

  // Reads a WebSocket handshake and accepts it. nullopt when none came.
  std::optional<RawRequest> accept_websocket();
  bool send_frame(int opcode, std::string_view payload);
  struct Frame {
    int opcode = 0;
    std::string payload;
  };
  std::optional<Frame> read_frame();
  // The next frame with this opcode, skipping others.
  std::optional<Frame> read_frame(int opcode);

 private:
  std::size_t read_some();
  std::mutex mutex_;  // for stop_reading() against close()
  int fd_;
  ssl_st* ssl_;
  std::string buffer_;
};

// Set once, waited for.
class Flag {
 public:
  void set();
  bool wait();  // false at the limit
  bool is_set() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

class RawServer {
 public:
  using Script = std::function<void(RawConnection&)>;

  // On a free loopback port. With `certificate` (PEM: key and certificate) it speaks TLS.
  explicit RawServer(Script script, std::string certificate = "");
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url(std::string_view scheme = "http", std::string_view host = "127.0.0.1") const;
  int connections() const { return connections_; }
  // Ends all reading and waits until every script that was begun is over.
  void finish();

 private:
  void accept_all();
  void serve(int fd);

  Script script_;
  ssl_ctx_st* tls_ = nullptr;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::vector<std::weak_ptr<RawConnection>> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// A port nobody listens on.
std::uint16_t closed_port();

// A self-signed certificate for `name` (a DNS name or an IPv4 address) with its key, PEM.
std::string make_certificate(const std::string& name);

}  // namespace renderyard::testing
