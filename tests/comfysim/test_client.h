// Clients with which the tests drive comfysim: blocking HTTP, and a WebSocket that collects what comes.
#ifndef RENDERYARD_TESTS_COMFYSIM_TEST_CLIENT_H_
#define RENDERYARD_TESTS_COMFYSIM_TEST_CLIENT_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/comfysim/pyjson.h"

namespace comfysim::testing {

// How long a test waits for what must come; only a broken server makes it pass.
inline constexpr auto kPatience = std::chrono::seconds(20);

struct Reply {
  unsigned status = 0;                         // 0: no answer came
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  json::value json() const { return parse_json(body).value_or(nullptr); }
};

using Headers = std::map<std::string, std::string>;

// One request on a connection of its own.
Reply request(std::uint16_t port, const std::string& method, const std::string& target, const std::string& body = "",
              const Headers& headers = {});
Reply get(std::uint16_t port, const std::string& target);
Reply post(std::uint16_t port, const std::string& target, const json::value& body);

// Sends a POST and closes the connection without waiting for the answer.
void post_and_leave(std::uint16_t port, const std::string& target, const json::value& body);

// One thing a WebSocket brought.
struct Event {
  enum class Kind { kText, kBinary, kPong, kClosed };
  Kind kind = Kind::kText;
  std::string bytes;        // raw
  std::string type;         // of a text message
  json::object data;        // ... and its data
  unsigned close_code = 0;  // of kClosed; 1006 when the connection ended without a close frame
};

struct WebSocketOptions {
  Headers headers;       // of the handshake; Host is 127.0.0.1 when not given
  bool deflate = false;  // offer permessage-deflate
  bool read = true;      // false: never takes anything from the connection
};

struct HandshakeRefused : std::runtime_error {
  explicit HandshakeRefused(unsigned s) : std::runtime_error("handshake refused"), status(s) {}
  unsigned status;
};

// Reads on a thread of its own. Thread-safe.
class WebSocketClient {
 public:
  // Connects; `target` as "/ws?clientId=a". Throws HandshakeRefused when the server says no, and
  // boost::system::system_error when there is none.
  WebSocketClient(std::uint16_t port, const std::string& target, const WebSocketOptions& options = {});
  ~WebSocketClient();
  WebSocketClient(const WebSocketClient&) = delete;
  WebSocketClient& operator=(const WebSocketClient&) = delete;

  void send(const std::string& text);
  void ping(const std::string& payload = "alive?");
  void close();
  // Closes with the WebSocket handshake and waits until the server has ended the connection.
  void say_goodbye();
  // Ends the connection at TCP level at once.
  void drop();
  // Headers of the answer to the handshake.
  const Headers& handshake() const;

  // The next event; nullopt when nothing came in time.
  std::optional<Event> next(std::chrono::milliseconds patience = kPatience);
  // All events up to the first that `last` accepts, that one included. Stops early when the connection ends or nothing
  // comes.
  std::vector<Event> until(const std::function<bool(const Event&)>& last);
  // The same up to executing with node null.
  std::vector<Event> until_done();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

// comfysim as a process of its own. Kills it at the end.
class Process {
 public:
  // Listens on a free port, unless `more_arguments` have another --listen.
  Process(const std::filesystem::path& dir, std::vector<std::string> more_arguments);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  std::uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // Exit status; minus its number when a signal ended it.
  int wait();
  // The same; nullopt when it has not ended in time.
  std::optional<int> wait_for(std::chrono::milliseconds patience);

 private:
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace comfysim::testing

#endif  // RENDERYARD_TESTS_COMFYSIM_TEST_CLIENT_H_
