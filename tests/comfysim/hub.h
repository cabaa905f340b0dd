// The table of WebSocket clients and the one loop that all messages go through.
#ifndef RENDERYARD_TESTS_COMFYSIM_HUB_H_
#define RENDERYARD_TESTS_COMFYSIM_HUB_H_

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "tests/comfysim/machine.h"

namespace comfysim {

namespace asio = boost::asio;

// One WebSocket message on its way out.
struct Frame {
  bool binary = false;
  std::string bytes;
};

using FramePtr = std::shared_ptr<const Frame>;

// {"type": ..., "data": ...} as a text frame.
FramePtr make_text_frame(std::string_view type, const json::value& data);
// `data`: JSON text.
FramePtr frame_of_json(std::string_view type, const std::string& data);

// An open TCP connection as the faults see it. All calls on the I/O thread.
class Connection {
 public:
  virtual ~Connection() = default;
  // Nothing is read or written any more. After `time` (never, without) the connection is reset.
  virtual void freeze(std::optional<std::chrono::milliseconds> time) = 0;
};

// An open WebSocket as the hub sees it. All calls on the I/O thread.
class Socket : public Connection {
 public:
  virtual void enqueue(FramePtr frame) = 0;
  // Completes when all that was enqueued has been taken by the kernel or the socket is gone.
  virtual asio::awaitable<void> drained() = 0;
  // Ends the TCP connection without a close frame.
  virtual void cut() = 0;
};

using SocketPtr = std::shared_ptr<Socket>;

// Keeps the faults of the real table: it is keyed by client id, a newer socket replaces an older one, and the end of
// either removes the entry, whosever it is (protocol section 4.3). One loop sends all messages one after the other and
// waits for each, so a client that does not read stops the messages of all (section 4.5). The methods of Sockets are
// thread-safe, all others are for the I/O thread.
class Hub : public Sockets {
 public:
  explicit Hub(asio::io_context& io);

  // Any thread.
  void send(const Sid& to, std::string_view type, json::object data) override;
  void send_text(const Sid& to, std::string_view type, const std::string& data) override;
  void send_binary(const Sid& to, BinaryEvent event, std::string payload) override;
  bool wants_preview_metadata(const Sid& to) const override;
  void send_unserializable(const Sid& to) override;
  void drop_all() override;
  void deafen_all() override;
  void freeze_all(std::optional<std::chrono::milliseconds> time) override;

  // The open connections that are no WebSockets. Shared, because the last ones end with the I/O context, after the hub.
  const std::shared_ptr<std::set<Connection*>>& plain_connections() const { return plain_; }

  void attach(const std::string& sid, const SocketPtr& socket);
  void detach(const std::string& sid, const SocketPtr& socket);
  void set_preview_metadata(const std::string& sid, bool wanted);
  std::size_t open_sockets() const { return open_.size(); }

  // Runs until the I/O context stops.
  asio::awaitable<void> publish_loop();

 private:
  struct Envelope {
    Sid to;
    FramePtr frame;  // nullptr: the message cannot be written
  };

  // What the end of a socket does to the table, whosever entry it is.
  void forget(const std::string& sid);
  void post(Envelope envelope);
  std::optional<Envelope> take();

  asio::io_context& io_;
  asio::steady_timer wake_;
  std::map<std::string, SocketPtr> table_;  // client id -> who gets its messages
  std::set<SocketPtr> open_;                // all open sockets, deaf ones too
  const std::shared_ptr<std::set<Connection*>> plain_ = std::make_shared<std::set<Connection*>>();
  mutable std::mutex mutex_;                      // guards what follows: both threads use it
  std::deque<Envelope> queue_;                    // the order of send() calls is the order of messages
  std::map<std::string, bool> preview_metadata_;  // client id -> has sent the flag
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_HUB_H_
