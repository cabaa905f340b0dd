#include "libs/common/adapters/redis/redis_link.h"

#include <absl/strings/str_cat.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <boost/asio/post.hpp>
#include <utility>

namespace renderyard::redis {

namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

absl::StatusOr<Reply> to_reply(const redisReply* reply) {
  if (reply == nullptr) return absl::UnavailableError("redis: the connection was lost");
  switch (reply->type) {
    case REDIS_REPLY_ERROR:
      return absl::InternalError(absl::StrCat("redis: ", std::string(reply->str, reply->len)));
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_STRING:
      return Reply{std::string(reply->str, reply->len)};
    case REDIS_REPLY_INTEGER:
      return Reply{std::to_string(reply->integer)};
    case REDIS_REPLY_NIL:
      return Reply{};
    default:
      return absl::InternalError("redis: a reply of a kind that was not asked for");
  }
}

}  // namespace

// What hiredis calls; `data` is the link.
struct RedisLink::Hooks {
  static RedisLink& of(void* data) { return *static_cast<RedisLink*>(data); }
  static RedisLink& of(const redisAsyncContext* context) { return of(context->data); }

  static void add_read(void* data) {
    of(data).want_read_ = true;
    of(data).arm_read();
  }
  static void del_read(void* data) { of(data).want_read_ = false; }
  static void add_write(void* data) {
    of(data).want_write_ = true;
    of(data).arm_write();
  }
  static void del_write(void* data) { of(data).want_write_ = false; }
  // The context is about to be freed, and the socket with it.
  static void cleanup(void* data) {
    RedisLink& link = of(data);
    link.want_read_ = link.want_write_ = false;
    link.context_ = nullptr;
    if (link.socket_.is_open()) link.socket_.release();
  }
  static void connected(const redisAsyncContext* context, int status) {
    RedisLink& link = of(context);
    if (status == REDIS_OK) {
      link.finish_connect(absl::OkStatus());
    } else {
      link.finish_connect(absl::UnavailableError(absl::StrCat("redis: ", context->errstr)));
    }
  }
  static void disconnected(const redisAsyncContext* context, int) { of(context).lost(); }
  static void replied(redisAsyncContext*, void* reply, void* data) {
    const std::unique_ptr<OnReply> on_reply(static_cast<OnReply*>(data));
    (*on_reply)(to_reply(static_cast<const redisReply*>(reply)));
  }
};

RedisLink::RedisLink(asio::any_io_executor executor) : executor_(std::move(executor)), socket_(executor_) {}

RedisLink::~RedisLink() {
  close();
}

void RedisLink::connect(const std::string& address, int port, absl::AnyInvocable<void(absl::Status)> on_connect) {
  on_connect_ = std::move(on_connect);
  redisAsyncContext* context = redisAsyncConnect(address.c_str(), port);
  if (context == nullptr || context->err != 0) {
    const std::string why = context == nullptr ? "out of memory" : context->errstr;
    if (context != nullptr) redisAsyncFree(context);
    asio::post(executor_, [self = shared_from_this(), why] {
      self->finish_connect(absl::UnavailableError(absl::StrCat("redis: ", why)));
    });
    return;
  }
  context_ = context;
  socket_.assign(context->c.fd);
  context->data = this;
  context->ev.data = this;
  context->ev.addRead = Hooks::add_read;
  context->ev.delRead = Hooks::del_read;
  context->ev.addWrite = Hooks::add_write;
  context->ev.delWrite = Hooks::del_write;
  context->ev.cleanup = Hooks::cleanup;
  redisAsyncSetConnectCallback(context, Hooks::connected);  // asks for writability, which tells that it is connected
  redisAsyncSetDisconnectCallback(context, Hooks::disconnected);
}

void RedisLink::on_lost(absl::AnyInvocable<void()> on_lost) {
  on_lost_ = std::move(on_lost);
}

void RedisLink::command(const std::vector<std::string>& words, OnReply on_reply) {
  if (!open()) {
    on_reply(absl::UnavailableError("redis: not connected"));
    return;
  }
  std::vector<const char*> pointers;
  std::vector<std::size_t> lengths;
  for (const std::string& word : words) {
    pointers.push_back(word.data());
    lengths.push_back(word.size());
  }
  auto data = std::make_unique<OnReply>(std::move(on_reply));
  const int status = redisAsyncCommandArgv(context_, Hooks::replied, data.get(), static_cast<int>(words.size()),
                                           pointers.data(), lengths.data());
  if (status == REDIS_OK) {
    [[maybe_unused]] OnReply* hiredis_owns = data.release();
  } else {
    (*data)(absl::UnavailableError("redis: the connection is closing"));
  }
}

void RedisLink::close() {
  if (context_ == nullptr) return;
  redisAsyncFree(std::exchange(context_, nullptr));  // calls back what waits, then cleanup
}

void RedisLink::arm_read() {
  if (reading_ || !want_read_ || context_ == nullptr) return;
  reading_ = true;
  socket_.async_wait(Descriptor::wait_read, [weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self) return;
    self->reading_ = false;
    if (!error && self->want_read_ && self->context_ != nullptr) redisAsyncHandleRead(self->context_);
    self->arm_read();
  });
}

void RedisLink::arm_write() {
  if (writing_ || !want_write_ || context_ == nullptr) return;
  writing_ = true;
  socket_.async_wait(Descriptor::wait_write, [weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self) return;
    self->writing_ = false;
    if (!error && self->want_write_ && self->context_ != nullptr) redisAsyncHandleWrite(self->context_);
    self->arm_write();
  });
}

void RedisLink::finish_connect(absl::Status status) {
  connected_ = status.ok();
  auto on_connect = std::exchange(on_connect_, nullptr);
  if (on_connect) on_connect(std::move(status));
}

void RedisLink::lost() {
  if (!std::exchange(connected_, false)) return;
  auto on_lost = std::exchange(on_lost_, nullptr);
  if (on_lost) on_lost();
}

}  // namespace renderyard::redis
