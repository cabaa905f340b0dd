// A client of a ComfyUI server with nothing between it and the sockets: what the floor of bench/bridge is measured
// with. Blocking, loopback only. Thread-safety: none. Every wait ends after 30 s; everything throws std::runtime_error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace renderyard::bench {

// One TCP connection to 127.0.0.1 and what came over it.
class Connection {
 public:
  explicit Connection(int port);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(std::string_view text);
  // Waits for more.
  void receive();
  // Head of an HTTP answer, up to the empty line; what follows stays in the buffer.
  std::string head();

  std::string buffer;

 private:
  int descriptor_;
};

// HTTP/1.1 over one kept connection.
class HttpClient {
 public:
  explicit HttpClient(int port) : connection_(port) {}
  // The body of the answer; throws when its status is not 200.
  std::string get(const std::string& target);
  std::string post(const std::string& target, std::string_view body);

 private:
  std::string exchange(std::string_view request);

  Connection connection_;
};

// The WebSocket of one client id. Reads text messages, passes over others.
class SocketReader {
 public:
  SocketReader(int port, const std::string& client_id);
  // Returns when the message has come that says the end of this prompt (`executing` null).
  void wait_for_end(const std::string& prompt_id);
  // The next text message.
  std::string next();
  std::int64_t messages() const { return messages_; }

 private:
  // Size of the whole frame at the buffer's begin, 0 when it is not there yet.
  std::size_t frame(std::string_view& text);

  Connection connection_;
  std::int64_t messages_ = 0;
};

// The text between `before` and the next `after`, "" when there is none.
std::string text_between(std::string_view text, std::string_view before, std::string_view after);

}  // namespace renderyard::bench
