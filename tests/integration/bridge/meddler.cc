#include "tests/integration/bridge/meddler.h"

#include <absl/strings/match.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "tests/integration/bridge/meddler_wire.h"

namespace renderyard::testing {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

}  // namespace

class Meddler::Impl {
 public:
  explicit Impl(const std::string& upstream) : acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    const int port = std::stoi(upstream.substr(upstream.rfind(':') + 1));
    upstream_ = tcp::endpoint(asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port));
    accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Impl() {
    io_.stop();
    thread_.join();
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void say(int opcode, const std::string& payload);
  void deafen();
  void release();

  mutable std::mutex mutex_;
  Instead instead_;  // guarded by mutex_, as what follows
  Edit edit_;
  bool hushed_ = false;
  bool silenced_ = false;
  std::optional<std::string> held_target_;
  std::vector<Request> seen_;
  int held_count_ = 0;
  int sockets_count_ = 0;

 private:
  class Pass;

  void accept();

  asio::io_context io_{1};
  tcp::endpoint upstream_;
  tcp::acceptor acceptor_;
  std::vector<std::shared_ptr<Pass>> held_;  // these two: the own thread only
  std::vector<std::weak_ptr<Pass>> sockets_;
  std::thread thread_;
};

// One connection.
class Meddler::Impl::Pass : public std::enable_shared_from_this<Pass> {
 public:
  Pass(Impl& front, tcp::socket socket) : front_(front), client_(std::move(socket)), server_(front.io_) {}
  ~Pass() {
    if (!is_socket_) return;
    const std::lock_guard lock(front_.mutex_);
    --front_.sockets_count_;
  }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  void start() {
    asio::async_read_until(client_, asio::dynamic_buffer(text_), std::string(wire::kEndOfHead),
                           [self = shared_from_this()](error_code error, std::size_t size) {
                             if (!error) self->read_body(size);
                           });
  }

  void go_on() {
    std::optional<Answer> instead;
    {
      const std::lock_guard lock(front_.mutex_);
      if (request_.headers.contains("upgrade") && front_.hushed_) return wait_for_end();
      if (front_.instead_) instead = front_.instead_(request_);
    }
    if (!instead) return ask();
    cut_ = instead->cut;
    if (cut_ == Cut::kNowhere) return answer(wire::text_of(*instead));
    if (cut_ == Cut::kBeforeServer) return reset();
    if (cut_ == Cut::kHalfWay) text_.resize(text_.size() - request_.body.size() / 2);
    ask();
  }

  void say(std::string one) {
    if (!deaf_) queue(std::move(one));
  }
  void deafen() { deaf_ = true; }

 private:
  void read_body(std::size_t head_size) {
    const std::string head = text_.substr(0, head_size);
    const std::string line = wire::read_lines(std::string_view(head).substr(0, head_size - 2), request_.headers);
    request_.method = line.substr(0, line.find(' '));
    request_.target = line.substr(line.find(' ') + 1);
    request_.target.resize(request_.target.find(' '));
    const std::size_t whole = head_size + wire::length_in(request_.headers);
    const std::size_t missing = whole > text_.size() ? whole - text_.size() : 0;
    asio::async_read(client_, asio::dynamic_buffer(text_), asio::transfer_exactly(missing),
                     [self = shared_from_this(), head_size](error_code error, std::size_t) {
                       if (!error) self->enter(head_size);
                     });
  }

  void enter(std::size_t head_size) {
    request_.body = text_.substr(head_size);
    if (!request_.headers.contains("upgrade")) text_.insert(head_size - 2, "Connection: close\r\n");
    {
      const std::lock_guard lock(front_.mutex_);
      front_.seen_.push_back(request_);
      if (front_.held_target_ && absl::StartsWith(request_.target, *front_.held_target_)) {
        ++front_.held_count_;
        front_.held_.push_back(shared_from_this());
        return;
      }
    }
    go_on();
  }

  // Until the peer has had enough.
  void wait_for_end() {
    client_.async_read_some(asio::buffer(from_client_), [self = shared_from_this()](error_code error, std::size_t) {
      if (!error) self->wait_for_end();
    });
  }

  void ask() {
    server_.async_connect(front_.upstream_, [self = shared_from_this()](error_code error) {
      if (error) return self->reset();
      asio::async_write(self->server_, asio::buffer(self->text_),
                        [self](error_code failure, std::size_t) { self->asked(failure); });
    });
  }

  void asked(error_code error) {
    if (error || cut_ == Cut::kHalfWay) return reset();
    text_.clear();
    if (request_.headers.contains("upgrade")) return shake();
    asio::async_read(server_, asio::dynamic_buffer(text_),
                     [self = shared_from_this()](error_code, std::size_t) { self->answered(); });
  }

  void answered() {
    if (cut_ != Cut::kNowhere) return reset();
    auto whole = request_.method == "HEAD" ? std::nullopt : wire::answer_in(text_);
    {
      const std::lock_guard lock(front_.mutex_);
      if (!whole || !front_.edit_) {
        whole.reset();
      } else {
        front_.edit_(request_, *whole);
      }
    }
    if (!whole) return answer(std::move(text_));
    if (whole->cut != Cut::kNowhere) return reset();
    answer(wire::text_of(*whole));
  }

  void answer(std::string text) {
    text_ = std::move(text);
    asio::async_write(client_, asio::buffer(text_), [self = shared_from_this()](error_code, std::size_t) {
      error_code ignored;
      self->client_.shutdown(tcp::socket::shutdown_both, ignored);
    });
  }

  void reset() {
    error_code ignored;
    for (tcp::socket* socket : {&client_, &server_}) {
      socket->set_option(asio::socket_base::linger(true, 0), ignored);
      socket->close(ignored);
    }
  }

  // Of a WebSocket: the head of the server's answer goes through as it is.
  void shake() {
    asio::async_read_until(server_, asio::dynamic_buffer(text_), std::string(wire::kEndOfHead),
                           [self = shared_from_this()](error_code error, std::size_t size) {
                             if (error) return self->reset();
                             self->shaken(size);
                           });
  }

  void shaken(std::size_t size) {
    is_socket_ = true;
    front_.sockets_.push_back(weak_from_this());
    {
      const std::lock_guard lock(front_.mutex_);
      ++front_.sockets_count_;
    }
    queue(text_.substr(0, size));
    text_.erase(0, size);
    pass_frames();
    read_server();
    read_client();
  }

  void pass_frames() {
    for (;;) {
      const std::size_t size = wire::frame_size(text_);
      if (size == 0 || text_.size() < size) return;
      if (!is_silenced()) say(text_.substr(0, size));
      text_.erase(0, size);
    }
  }

  // The frame that is passed now: texts and pictures but the very first.
  bool is_silenced() {
    constexpr int kFirstControlFrame = 8;
    if ((text_[0] & 0x0F) >= kFirstControlFrame || !std::exchange(has_spoken_, true)) return false;
    const std::lock_guard lock(front_.mutex_);
    return front_.silenced_;
  }

  void read_server() {
    server_.async_read_some(asio::buffer(from_server_), [self = shared_from_this()](error_code error, std::size_t got) {
      if (error) return self->server_ended();
      self->text_.append(self->from_server_.data(), got);
      self->pass_frames();
      self->read_server();
    });
  }

  void read_client() {
    client_.async_read_some(asio::buffer(from_client_), [self = shared_from_this()](error_code error, std::size_t got) {
      if (error) return self->end();
      if (self->deaf_) return self->read_client();
      asio::async_write(self->server_, asio::buffer(self->from_client_.data(), got),
                        [self](error_code failure, std::size_t) {
                          if (failure) return self->server_ended();
                          self->read_client();
                        });
    });
  }

  void queue(std::string bytes) {
    queue_.push_back(std::move(bytes));
    if (queue_.size() == 1) write();
  }

  void write() {
    asio::async_write(client_, asio::buffer(queue_.front()),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (error) return self->end();
                        self->queue_.pop_front();
                        if (!self->queue_.empty()) self->write();
                      });
  }

  void server_ended() {
    if (!deaf_) end();
  }

  // Either side's end is the end of both, after what was said.
  void end() {
    error_code ignored;
    server_.close(ignored);
    client_.shutdown(tcp::socket::shutdown_both, ignored);
  }

  Impl& front_;
  tcp::socket client_;
  tcp::socket server_;
  Request request_;
  std::string text_;  // what is read, or written, now
  Cut cut_ = Cut::kNowhere;
  bool is_socket_ = false;
  bool deaf_ = false;
  bool has_spoken_ = false;
  std::array<char, 16384> from_server_{};
  std::array<char, 16384> from_client_{};
  std::deque<std::string> queue_;  // to the client
};

void Meddler::Impl::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (error) return;
    std::make_shared<Pass>(*this, std::move(socket))->start();
    accept();
  });
}

void Meddler::Impl::say(int opcode, const std::string& payload) {
  asio::post(io_, [this, one = wire::frame(opcode, payload)] {
    for (const auto& weak : sockets_) {
      if (const auto socket = weak.lock()) socket->say(one);
    }
  });
}

void Meddler::Impl::deafen() {
  asio::post(io_, [this] {
    for (const auto& weak : sockets_) {
      if (const auto socket = weak.lock()) socket->deafen();
    }
  });
}

void Meddler::Impl::release() {
  asio::post(io_, [this] {
    for (const auto& pass : std::exchange(held_, {})) pass->go_on();
  });
}

Meddler::Meddler(const std::string& upstream) : impl_(std::make_unique<Impl>(upstream)) {}
Meddler::~Meddler() = default;

std::string Meddler::url() const {
  return "http://127.0.0.1:" + std::to_string(impl_->port());
}

void Meddler::answer_instead(Instead hook) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->instead_ = std::move(hook);
}

void Meddler::edit(Edit hook) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->edit_ = std::move(hook);
}

void Meddler::hold(std::string target) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->held_target_ = std::move(target);
}

void Meddler::release() {
  {
    const std::lock_guard lock(impl_->mutex_);
    impl_->held_target_.reset();
  }
  impl_->release();
}

int Meddler::held() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->held_count_;
}

void Meddler::say(int opcode, std::string payload) {
  impl_->say(opcode, payload);
}

void Meddler::deafen() {
  impl_->deafen();
}

void Meddler::hush(bool on) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->hushed_ = on;
}

void Meddler::silence(bool on) {
  const std::lock_guard lock(impl_->mutex_);
  impl_->silenced_ = on;
}

int Meddler::sockets() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->sockets_count_;
}

std::vector<Meddler::Request> Meddler::seen() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->seen_;
}

}  // namespace renderyard::testing
