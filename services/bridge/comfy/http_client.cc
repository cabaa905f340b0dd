#include "services/bridge/comfy/http_client.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <utility>

#include "services/bridge/comfy/http_transfer.h"

namespace renderyard::comfy {

namespace asio = boost::asio;

namespace {
constexpr long kKeptConnections = 256;
}

// libcurl's multi handle, driven by Asio. Everything but the three entry points runs on the io thread.
class HttpClient::Multi : public std::enable_shared_from_this<Multi> {
 public:
  explicit Multi(asio::io_context& context) : context_(context), timer_(context), handle_(curl_multi_init()) {
    curl_multi_setopt(handle_, CURLMOPT_SOCKETFUNCTION, &Multi::on_socket);
    curl_multi_setopt(handle_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(handle_, CURLMOPT_TIMERFUNCTION, &Multi::on_timer);
    curl_multi_setopt(handle_, CURLMOPT_TIMERDATA, this);
    // Idle ones; libcurl's own bound is four per transfer under way, which is hardly any between two jobs.
    curl_multi_setopt(handle_, CURLMOPT_MAXCONNECTS, kKeptConnections);
  }

  // The io thread is gone or runs this: nothing else touches the handle.
  ~Multi() {
    shut();
    curl_multi_cleanup(handle_);
  }

  void begin(std::shared_ptr<HttpTransfer> transfer) {
    asio::post(context_, [self = shared_from_this(), transfer = std::move(transfer)] { self->add(transfer); });
  }
  void abandon(std::shared_ptr<HttpTransfer> transfer) {
    asio::post(context_, [self = shared_from_this(), transfer = std::move(transfer)] { self->remove(*transfer); });
  }
  void resume(std::shared_ptr<HttpTransfer> transfer) {
    asio::post(context_, [self = shared_from_this(), transfer = std::move(transfer)] { self->unpause(*transfer); });
  }
  void close() {
    asio::post(context_, [self = shared_from_this()] { self->shut(); });
  }

 private:
  struct Watch {
    explicit Watch(asio::io_context& context, int fd) : descriptor(context, fd) {}
    asio::posix::stream_descriptor descriptor;
    int wanted = 0;
    bool reading = false;
    bool writing = false;
    bool gone = false;
  };

  void add(const std::shared_ptr<HttpTransfer>& transfer) {
    if (closed_ || transfer->easy() == nullptr) {
      transfer->finish(CURLE_FAILED_INIT);
      return;
    }
    running_.emplace(transfer->easy(), transfer);
    curl_multi_add_handle(handle_, transfer->easy());
  }

  void remove(HttpTransfer& transfer) {
    if (running_.erase(transfer.easy()) == 0) return;
    curl_multi_remove_handle(handle_, transfer.easy());
  }

  void unpause(HttpTransfer& transfer) {
    if (!running_.contains(transfer.easy())) return;
    curl_easy_pause(transfer.easy(), CURLPAUSE_CONT);
    collect();
  }

  void shut() {
    if (std::exchange(closed_, true)) return;
    timer_.cancel();
    for (auto& [easy, transfer] : running_) curl_multi_remove_handle(handle_, easy);
    running_.clear();
    for (auto& [fd, watch] : watches_) forget(*watch);
    watches_.clear();
  }

  // The descriptor is libcurl's: it is given back, never closed here.
  static void forget(Watch& watch) {
    watch.gone = true;
    watch.descriptor.release();
  }

  static int on_socket(CURL*, curl_socket_t fd, int what, void* user, void*) {
    static_cast<Multi*>(user)->watch(fd, what);
    return 0;
  }

  void watch(curl_socket_t fd, int what) {
    if (what == CURL_POLL_REMOVE) {
      if (auto node = watches_.extract(fd); !node.empty()) forget(*node.mapped());
      return;
    }
    if (closed_) return;
    auto& watch = watches_[fd];
    if (!watch) watch = std::make_shared<Watch>(context_, fd);
    watch->wanted = what;
    arm(fd, watch);
  }

  void arm(curl_socket_t fd, const std::shared_ptr<Watch>& watch) {
    if ((watch->wanted & CURL_POLL_IN) != 0 && !watch->reading) {
      watch->reading = true;
      watch->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                   [self = shared_from_this(), fd, watch](const boost::system::error_code& error) {
                                     watch->reading = false;
                                     self->ready(fd, watch, CURL_CSELECT_IN, error);
                                   });
    }
    if ((watch->wanted & CURL_POLL_OUT) != 0 && !watch->writing) {
      watch->writing = true;
      watch->descriptor.async_wait(asio::posix::stream_descriptor::wait_write,
                                   [self = shared_from_this(), fd, watch](const boost::system::error_code& error) {
                                     watch->writing = false;
                                     self->ready(fd, watch, CURL_CSELECT_OUT, error);
                                   });
    }
  }

  void ready(curl_socket_t fd, const std::shared_ptr<Watch>& watch, int event, const boost::system::error_code& error) {
    if (watch->gone || closed_ || error == asio::error::operation_aborted) return;
    const bool still_wanted = (watch->wanted & (event == CURL_CSELECT_IN ? CURL_POLL_IN : CURL_POLL_OUT)) != 0;
    if (still_wanted) {
      int running = 0;
      curl_multi_socket_action(handle_, fd, error ? CURL_CSELECT_ERR : event, &running);
      collect();
    }
    if (!watch->gone && !closed_) arm(fd, watch);
  }

  static int on_timer(CURLM*, long timeout_ms, void* user) {
    static_cast<Multi*>(user)->set_timer(timeout_ms);
    return 0;
  }

  void set_timer(long timeout_ms) {
    timer_.cancel();
    if (timeout_ms < 0 || closed_) return;
    timer_.expires_after(std::chrono::milliseconds(timeout_ms));
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (error || self->closed_) return;
      int running = 0;
      curl_multi_socket_action(self->handle_, CURL_SOCKET_TIMEOUT, 0, &running);
      self->collect();
    });
  }

  // Hands out what libcurl is done with.
  void collect() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(handle_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* const easy = message->easy_handle;
      const CURLcode code = message->data.result;  // the message is gone with the handle
      auto node = running_.extract(easy);
      if (node.empty()) continue;
      node.mapped()->finish(code);
      curl_multi_remove_handle(handle_, easy);
    }
  }

  asio::io_context& context_;
  asio::steady_timer timer_;
  CURLM* handle_;
  std::map<CURL*, std::shared_ptr<HttpTransfer>> running_;
  std::map<curl_socket_t, std::shared_ptr<Watch>> watches_;
  bool closed_ = false;
};

namespace {

void init_curl() {
  static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)once;
}

}  // namespace

HttpClient::HttpClient(ComfyIo& io, base::Strand& strand, base::Clock& clock, std::string ca_file, absl::Duration stall)
    : io_(io), strand_(strand), clock_(clock), ca_file_(std::move(ca_file)), stall_(stall) {
  init_curl();
  multi_ = std::make_shared<Multi>(io_.context());
}

HttpClient::~HttpClient() {
  multi_->close();
}

namespace {

// Ends a transfer when the coroutine that waits for it ends, in whatever way.
template <class Multi>
class Holder {
 public:
  Holder(std::shared_ptr<Multi> multi, std::shared_ptr<HttpTransfer> transfer)
      : multi_(std::move(multi)), transfer_(std::move(transfer)) {}
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() { multi_->abandon(transfer_); }

 private:
  std::shared_ptr<Multi> multi_;
  std::shared_ptr<HttpTransfer> transfer_;
};

}  // namespace

base::Task<absl::StatusOr<HttpAnswer>> HttpClient::request(HttpRequest request, absl::Time deadline) {
  const absl::Duration timeout = deadline - clock_.now();
  if (timeout <= absl::ZeroDuration()) co_return absl::DeadlineExceededError("deadline");
  auto transfer = std::make_shared<HttpTransfer>(std::move(request), timeout, ca_file_);
  const Holder holder(multi_, transfer);
  auto start = [this, transfer](base::Completer<absl::StatusOr<HttpAnswer>> completer) {
    transfer->wait(completer);
    multi_->begin(transfer);
  };
  co_return co_await base::suspend<absl::StatusOr<HttpAnswer>>(strand_, start);
}

base::Task<absl::StatusOr<HttpAnswer>> HttpClient::stream(HttpRequest request, ByteSink sink, HeadSink on_head,
                                                          absl::Time deadline) {
  const absl::Duration timeout = deadline - clock_.now();
  if (timeout <= absl::ZeroDuration()) co_return absl::DeadlineExceededError("deadline");
  auto transfer = std::make_shared<HttpTransfer>(std::move(request), timeout, ca_file_);
  transfer->end_when_silent_for(stall_);
  const Holder holder(multi_, transfer);
  std::function<void()> on_room = [multi = multi_, weak = std::weak_ptr<HttpTransfer>(transfer)] {
    if (auto still = weak.lock()) multi->resume(std::move(still));
  };
  auto channel = std::make_shared<ByteChannel>(strand_, kStreamBuffer, std::move(on_room));
  transfer->stream_to(channel);
  multi_->begin(transfer);
  for (;;) {
    auto chunk = co_await channel->next();
    if (!chunk.ok()) co_return chunk.status();
    if (!chunk->has_value()) break;
    if (on_head) std::exchange(on_head, nullptr)(transfer->head());
    const absl::Status status = co_await sink(**std::move(chunk));
    if (!status.ok()) co_return status;
  }
  auto start = [transfer](base::Completer<absl::StatusOr<HttpAnswer>> completer) { transfer->wait(completer); };
  co_return co_await base::suspend<absl::StatusOr<HttpAnswer>>(strand_, start);
}

}  // namespace renderyard::comfy
