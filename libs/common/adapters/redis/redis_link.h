// One connection of hiredis on an Asio executor: it lives from connect() to its loss and is never repaired. hiredis
// asks for readiness of its socket, Asio tells it. Thread-safety: on the strand.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct redisAsyncContext;

namespace renderyard::redis {

// The kinds of replies that our commands have.
struct Reply {
  std::optional<std::string> text;  // status, string or integer; nullopt = nil
};

class RedisLink : public std::enable_shared_from_this<RedisLink> {
 public:
  using OnReply = absl::AnyInvocable<void(absl::StatusOr<Reply>)>;

  explicit RedisLink(boost::asio::any_io_executor executor);
  ~RedisLink();
  RedisLink(const RedisLink&) = delete;
  RedisLink& operator=(const RedisLink&) = delete;

  // `address` is an IP address. `on_connect` is called once with the outcome, never within connect().
  void connect(const std::string& address, int port, absl::AnyInvocable<void(absl::Status)> on_connect);
  // `on_lost` is called once when an established connection has ended.
  void on_lost(absl::AnyInvocable<void()> on_lost);

  // `on_reply` is called once: with the reply, the error that Redis says (INTERNAL), or UNAVAILABLE when the connection
  // is gone; possibly within command().
  void command(const std::vector<std::string>& words, OnReply on_reply);
  void close();
  bool open() const { return context_ != nullptr && connected_; }

 private:
  struct Hooks;
  void arm_read();
  void arm_write();
  void finish_connect(absl::Status status);
  void lost();

  boost::asio::any_io_executor executor_;
  boost::asio::posix::stream_descriptor socket_;
  redisAsyncContext* context_ = nullptr;  // hiredis frees it; null from then on
  absl::AnyInvocable<void(absl::Status)> on_connect_;
  absl::AnyInvocable<void()> on_lost_;
  bool connected_ = false;
  bool want_read_ = false, reading_ = false;
  bool want_write_ = false, writing_ = false;
};

}  // namespace renderyard::redis
