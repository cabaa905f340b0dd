#include "services/bridge/comfy/prompt_post.h"

#include <absl/base/thread_annotations.h>
#include <absl/status/statusor.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "libs/common/base/mutex.h"

namespace renderyard::comfy {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using domain::PostOutcome;
using tcp = asio::ip::tcp;
using PlainStream = tcp::socket;
using TlsStream = asio::ssl::stream<tcp::socket>;
using Result = absl::StatusOr<PostOutcome>;

constexpr std::uint64_t kMaxAnswer = std::uint64_t{16} << 20;

// What the strand knows of a transfer, and how it ends it.
class Control {
 public:
  void wait(base::Completer<Result> completer) {
    const base::MutexLock lock(mutex_);
    waiter_ = completer;
  }

  // The io thread.
  void deliver(PostOutcome outcome) {
    const base::MutexLock lock(mutex_);
    socket_ = -1;
    if (waiter_) waiter_->post(std::move(outcome));
    waiter_.reset();
  }

  // The io thread, before the first byte of the request. False: nobody wants it any more.
  bool begin(int socket) {
    const base::MutexLock lock(mutex_);
    if (abandoned_) return false;
    begun_ = true;
    socket_ = socket;
    return true;
  }

  void socket_is_gone() {
    const base::MutexLock lock(mutex_);
    socket_ = -1;
  }

  // The strand: not a byte leaves after this returns. True when the request had been begun.
  bool abandon() {
    const base::MutexLock lock(mutex_);
    abandoned_ = true;
    waiter_.reset();
    if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
    return begun_;
  }

 private:
  base::Mutex mutex_;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;
  int socket_ ABSL_GUARDED_BY(mutex_) = -1;
  std::optional<base::Completer<Result>> waiter_ ABSL_GUARDED_BY(mutex_);
};

// One request over one connection; the io thread only.
template <class Stream>
class Transfer : public std::enable_shared_from_this<Transfer<Stream>> {
 public:
  template <class... StreamArgs>
  Transfer(asio::io_context& context, std::shared_ptr<Control> control, InstanceUrl url, std::string body,
           StreamArgs&&... args)
      : control_(std::move(control)),
        url_(std::move(url)),
        body_(std::move(body)),
        timer_(context),
        stream_(context, std::forward<StreamArgs>(args)...) {}

  // Not a byte leaves after `begin_by`, by the clock that counts while the machine sleeps.
  void start(Resolver& resolver, std::chrono::milliseconds patience, std::function<bool()> may_begin) {
    may_begin_ = std::move(may_begin);
    timer_.expires_after(patience);
    timer_.async_wait([self = this->shared_from_this()](error_code error) {
      if (!error) self->fail("the deadline came");
    });
    resolver.resolve(url_.host, url_.port,
                     [self = this->shared_from_this()](Resolver::Endpoints found, const std::string& error) {
                       self->resolved(std::move(found), error);
                     });
  }

 private:
  auto& socket() { return stream_.lowest_layer(); }

  void resolved(Resolver::Endpoints found, const std::string& error) {
    if (done_) return;
    if (found.empty()) return fail(error);
    endpoints_ = std::move(found);
    asio::async_connect(
        tcp_layer(), endpoints_,
        [self = this->shared_from_this()](error_code failure, const tcp::endpoint&) { self->connected(failure); });
  }

  tcp::socket& tcp_layer() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  void connected(error_code error) {
    if (done_) return;
    if (error) return fail(error.message());
    error_code ignored;
    socket().set_option(tcp::no_delay(true), ignored);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      // What SSL_set_tlsext_host_name() stands for, without its cast.
      if (SSL_ctrl(stream_.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                   const_cast<char*>(url_.host.c_str())) != 1) {
        return fail("TLS refused the host name");
      }
      stream_.set_verify_callback(asio::ssl::host_name_verification(url_.host), ignored);
      stream_.async_handshake(asio::ssl::stream_base::client,
                              [self = this->shared_from_this()](error_code failure) { self->shaken(failure); });
    } else {
      request();
    }
  }

  void shaken(error_code error) {
    if (done_) return;
    if (error) return fail("TLS: " + error.message());
    request();
  }

  // From here on bytes of the request leave.
  void request() {
    // After a stop of the process the timer has run out, and has not been heard yet.
    if (asio::steady_timer::clock_type::now() >= timer_.expiry() || !may_begin_()) return fail("the deadline came");
    if (!control_->begin(static_cast<int>(socket().native_handle()))) return fail("cancelled");
    begun_ = true;
    header_ = "POST " + url_.path + "/prompt HTTP/1.1\r\nHost: " + url_.authority +
              "\r\nUser-Agent: renderyard-bridge\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
              "Content-Length: " +
              std::to_string(body_.size()) + "\r\nConnection: close\r\n";
    for (const ports::SecretHeader& header : url_.headers) header_ += header.name + ": " + header.value + "\r\n";
    header_ += "\r\n";
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(header_), asio::buffer(body_)};
    asio::async_write(stream_, buffers, [self = this->shared_from_this()](error_code error, std::size_t bytes) {
      self->written(error, bytes);
    });
    read();
  }

  void written(error_code error, std::size_t bytes) {
    if (done_) return;
    writing_ = false;
    // Of TLS a record may have left that is not counted.
    const std::size_t uncounted = std::is_same_v<Stream, TlsStream> ? std::size_t{64} << 10 : 0;
    sent_ = bytes + (error ? uncounted : 0) >= header_.size() + body_.size();
    if (answer_) return conclude();
    if (giving_up_) return fail(failure_);
    if (!sent_) failure_ = error.message();
    if (reading_) {
      // An answer may have come before the reset that broke the writing; the reader sees one or the other at once.
      return;
    }
    fail(failure_);
  }

  void read() {
    parser_.emplace();
    parser_->body_limit(kMaxAnswer);
    reading_ = true;
    http::async_read(stream_, buffer_, *parser_,
                     [self = this->shared_from_this()](error_code error, std::size_t) { self->answered(error); });
  }

  void answered(error_code error) {
    if (done_ || giving_up_) return;
    reading_ = false;
    if (!error) {
      const int status = static_cast<int>(parser_->get().result_int());
      if (status < 200) return read();  // 100 Continue and its like
      answer_ = parser_->release();
      // An answer before the last byte was written: the rest is not sent any more, unless it is on its way right now.
      if (writing_) {
        asio::post(timer_.get_executor(), [self = this->shared_from_this()] { self->conclude(); });
        return;
      }
      return conclude();
    }
    failure_ = error.message();
    // The server may have closed its side only; the writing tells by itself whether it could be finished.
    if (!writing_) fail(failure_);
  }

  void conclude() {
    if (done_) return;
    PostOutcome outcome;
    outcome.http_status = static_cast<int>(answer_->result_int());
    // A 5xx of whoever had not even the whole request proves nothing but that.
    outcome.kind = sent_ || outcome.http_status < 500 ? PostOutcome::Kind::kAnswered : PostOutcome::Kind::kNotSent;
    const auto type = (*answer_)[http::field::content_type];
    outcome.content_type.assign(type.data(), type.size());
    outcome.body = std::move(answer_->body());
    finish(std::move(outcome));
  }

  void fail(std::string why) {
    if (done_ || (giving_up_ && writing_)) return;
    if (begun_ && writing_) {
      // How much has left is known to the writer alone, whose word may be on its way: cut the line and hear it.
      giving_up_ = true;
      failure_ = std::move(why);
      return cut();
    }
    PostOutcome outcome;
    if (!begun_) {
      outcome.kind = PostOutcome::Kind::kConnectFailed;
    } else {
      outcome.kind = sent_ ? PostOutcome::Kind::kUnclear : PostOutcome::Kind::kNotSent;
    }
    outcome.error = std::move(why);
    finish(std::move(outcome));
  }

  void finish(PostOutcome outcome) {
    done_ = true;
    timer_.cancel();
    control_->socket_is_gone();
    if (outcome.kind == PostOutcome::Kind::kAnswered) {
      error_code ignored;
      socket().close(ignored);
    } else {
      cut();
    }
    control_->deliver(std::move(outcome));
  }

  // What the kernel still holds of a request that is given up must not arrive later.
  void cut() {
    error_code ignored;
    socket().set_option(asio::socket_base::linger(true, 0), ignored);
    socket().close(ignored);
  }

  std::shared_ptr<Control> control_;
  const InstanceUrl url_;
  const std::string body_;
  std::string header_;
  Resolver::Endpoints endpoints_;
  asio::steady_timer timer_;
  Stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<http::response_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> answer_;
  std::string failure_;
  std::function<bool()> may_begin_;
  bool begun_ = false;
  bool giving_up_ = false;  // what the writer says decides
  bool writing_ = true;
  bool reading_ = false;
  bool sent_ = false;
  bool done_ = false;
};

class AbandonOnExit {
 public:
  explicit AbandonOnExit(std::shared_ptr<Control> control) : control_(std::move(control)) {}
  AbandonOnExit(const AbandonOnExit&) = delete;
  AbandonOnExit& operator=(const AbandonOnExit&) = delete;
  ~AbandonOnExit() { control_->abandon(); }

 private:
  std::shared_ptr<Control> control_;
};

}  // namespace

struct PromptPoster::Settings {
  explicit Settings(const std::string& ca_file) : tls(asio::ssl::context::tls_client) {
    tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                    asio::ssl::context::no_tlsv1_1);
    error_code error;  // without its certificates the context trusts nobody, which is what an error must mean
    tls.set_default_verify_paths(error);
    if (!ca_file.empty()) tls.load_verify_file(ca_file, error);
    tls.set_verify_mode(asio::ssl::verify_peer);
  }
  asio::ssl::context tls;
};

PromptPoster::PromptPoster(ComfyIo& io, Resolver& resolver, base::Strand& strand, base::Clock& clock,
                           std::string ca_file)
    : io_(io), resolver_(resolver), strand_(strand), clock_(clock), settings_(std::make_shared<Settings>(ca_file)) {}
PromptPoster::~PromptPoster() = default;

base::Task<PostOutcome> PromptPoster::post(InstanceUrl url, std::string body, absl::Time begin_by,
                                           absl::Time deadline) {
  PostOutcome cancelled;
  const auto left = absl::ToInt64Milliseconds(deadline - clock_.now());
  if (left <= 0) {
    cancelled.kind = PostOutcome::Kind::kConnectFailed;
    cancelled.error = "the deadline had passed";
    co_return cancelled;
  }
  const std::chrono::milliseconds patience(std::min<std::int64_t>(left, 86400000));
  auto control = std::make_shared<Control>();
  const AbandonOnExit guard(control);
  const bool tls = url.tls;
  auto may_begin = [&clock = clock_, begin_by] { return clock.now() < begin_by; };
  auto start = [&](base::Completer<Result> completer) {
    control->wait(completer);
    if (tls) {
      auto transfer = std::make_shared<Transfer<TlsStream>>(io_.context(), control, std::move(url), std::move(body),
                                                            settings_->tls);
      asio::post(io_.context(), [transfer, &resolver = resolver_, patience, may_begin] {
        transfer->start(resolver, patience, may_begin);
      });
    } else {
      auto transfer = std::make_shared<Transfer<PlainStream>>(io_.context(), control, std::move(url), std::move(body));
      asio::post(io_.context(), [transfer, &resolver = resolver_, patience, may_begin] {
        transfer->start(resolver, patience, may_begin);
      });
    }
  };
  Result outcome = co_await base::suspend<Result>(strand_, start);
  if (outcome.ok()) co_return *std::move(outcome);
  // Only a cancellation ends the wait otherwise.
  cancelled.kind = control->abandon() ? PostOutcome::Kind::kUnclear : PostOutcome::Kind::kConnectFailed;
  cancelled.error = "cancelled";
  co_return cancelled;
}

}  // namespace renderyard::comfy
