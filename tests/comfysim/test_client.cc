#include "tests/comfysim/test_client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

extern char** environ;

namespace comfysim::testing {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

tcp::endpoint endpoint(std::uint16_t port) {
  return {asio::ip::address_v4::loopback(), port};
}

http::request<http::string_body> make_request(const std::string& method, const std::string& target,
                                              const std::string& body, const Headers& headers) {
  http::request<http::string_body> out;
  out.method_string(method);
  out.target(target);
  out.version(11);
  out.set(http::field::host, "127.0.0.1");
  for (const auto& [name, value] : headers) out.set(name, value);
  out.body() = body;
  out.prepare_payload();
  out.keep_alive(false);
  return out;
}

Headers lower_case(const http::fields& fields) {
  Headers out;
  for (const auto& field : fields) {
    std::string name(field.name_string());
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    out[name] = std::string(field.value());
  }
  return out;
}

}  // namespace

Reply request(std::uint16_t port, const std::string& method, const std::string& target, const std::string& body,
              const Headers& headers) {
  asio::io_context io;
  beast::tcp_stream stream(io);
  beast::flat_buffer buffer;
  Reply reply;
  http::request<http::string_body> message = make_request(method, target, body, headers);
  http::response_parser<http::string_body> parser;
  parser.body_limit(boost::none);
  parser.skip(method == "HEAD");
  stream.expires_after(kPatience);
  stream.async_connect(endpoint(port), [&](boost::system::error_code connect_error) {
    if (connect_error) return;
    http::async_write(stream, message, [&](boost::system::error_code, std::size_t) {
      http::async_read(stream, buffer, parser, [&](boost::system::error_code read_error, std::size_t) {
        if (!read_error) reply.status = parser.get().result_int();
      });
    });
  });
  io.run();
  reply.headers = lower_case(parser.get());
  reply.body = parser.get().body();
  return reply;
}

Reply get(std::uint16_t port, const std::string& target) {
  return request(port, "GET", target);
}

Reply post(std::uint16_t port, const std::string& target, const json::value& body) {
  return request(port, "POST", target, json::serialize(body), {{"Content-Type", "application/json"}});
}

void post_and_leave(std::uint16_t port, const std::string& target, const json::value& body) {
  asio::io_context io;
  tcp::socket socket(io);
  socket.connect(endpoint(port));
  http::write(socket, make_request("POST", target, json::serialize(body), {}));
  socket.close();
}

class WebSocketClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(std::uint16_t port, const std::string& target, const WebSocketOptions& options) : ws_(io_) {
    beast::get_lowest_layer(ws_).connect(endpoint(port));
    beast::websocket::permessage_deflate deflate;
    deflate.client_enable = options.deflate;
    ws_.set_option(deflate);
    ws_.set_option(beast::websocket::stream_base::decorator([&](beast::websocket::request_type& message) {
      for (const auto& [name, value] : options.headers) message.set(name, value);
    }));
    beast::websocket::response_type answer;
    boost::system::error_code error;
    ws_.handshake(answer, "127.0.0.1", target, error);
    if (error == beast::websocket::error::upgrade_declined) throw HandshakeRefused(answer.result_int());
    if (error) throw boost::system::system_error(error);
    handshake_ = lower_case(answer);
    ws_.read_message_max(0);
    ws_.control_callback([this](beast::websocket::frame_type type, beast::string_view payload) {
      if (type == beast::websocket::frame_type::pong) push({Event::Kind::kPong, std::string(payload), "", {}, 0});
    });
    if (options.read) read();
    thread_ = std::thread([this] { io_.run(); });
  }

  ~Impl() {
    io_.stop();
    thread_.join();
  }

  void send(const std::string& text) {
    asio::post(io_, [this, text] {
      // The server may end the connection in the middle of it, which the reader notices.
      boost::system::error_code ignored;
      ws_.text(true);
      ws_.write(asio::buffer(text), ignored);
    });
  }
  void ping(const std::string& payload) {
    asio::post(io_, [this, payload] {
      boost::system::error_code ignored;
      ws_.ping({payload.data(), payload.size()}, ignored);
    });
  }
  void close() {
    asio::post(io_, [this] {
      boost::system::error_code ignored;
      beast::get_lowest_layer(ws_).socket().close(ignored);
    });
  }

  void say_goodbye() {
    auto ended = std::make_shared<std::promise<void>>();
    asio::post(io_, [this, ended] {
      ws_.async_close(beast::websocket::close_code::normal, [ended](boost::system::error_code) { ended->set_value(); });
    });
    ended->get_future().wait_for(kPatience);
  }
  void drop() {
    asio::post(io_, [this] {
      boost::system::error_code ignored;
      auto& socket = beast::get_lowest_layer(ws_).socket();
      socket.set_option(asio::socket_base::linger(true, 0), ignored);
      socket.close(ignored);
    });
  }
  const Headers& handshake() const { return handshake_; }

  std::optional<Event> next(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, patience, [this] { return !events_.empty(); })) return std::nullopt;
    Event out = std::move(events_.front());
    events_.pop_front();
    return out;
  }

 private:
  void read() {
    ws_.async_read(buffer_, [this](boost::system::error_code error, std::size_t) {
      if (error) {
        const bool said = error == beast::websocket::error::closed;
        push({Event::Kind::kClosed, error.message(), "", {}, said ? ws_.reason().code : 1006u});
        return;
      }
      Event event;
      event.bytes = beast::buffers_to_string(buffer_.data());
      buffer_.consume(buffer_.size());
      event.kind = ws_.got_text() ? Event::Kind::kText : Event::Kind::kBinary;
      if (const auto message = parse_json(event.bytes); event.kind == Event::Kind::kText && message) {
        event.type = std::string(message->at("type").as_string());
        event.data = message->at("data").as_object();
      }
      push(std::move(event));
      read();
    });
  }
  void push(Event event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    arrived_.notify_all();
  }

  asio::io_context io_;
  // A client that does not read has nothing to do until it is told to close.
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  beast::websocket::stream<beast::tcp_stream> ws_;
  beast::flat_buffer buffer_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Event> events_;
  Headers handshake_;
  std::thread thread_;
};

WebSocketClient::WebSocketClient(std::uint16_t port, const std::string& target, const WebSocketOptions& options)
    : impl_(std::make_shared<Impl>(port, target, options)) {}
WebSocketClient::~WebSocketClient() = default;
void WebSocketClient::send(const std::string& text) {
  impl_->send(text);
}
void WebSocketClient::ping(const std::string& payload) {
  impl_->ping(payload);
}
void WebSocketClient::close() {
  impl_->close();
}
void WebSocketClient::say_goodbye() {
  impl_->say_goodbye();
}
void WebSocketClient::drop() {
  impl_->drop();
}
const Headers& WebSocketClient::handshake() const {
  return impl_->handshake();
}
std::optional<Event> WebSocketClient::next(std::chrono::milliseconds patience) {
  return impl_->next(patience);
}

std::vector<Event> WebSocketClient::until(const std::function<bool(const Event&)>& last) {
  std::vector<Event> out;
  while (std::optional<Event> event = next()) {
    out.push_back(std::move(*event));
    if (last(out.back()) || out.back().kind == Event::Kind::kClosed) break;
  }
  return out;
}

std::vector<Event> WebSocketClient::until_done() {
  return until([](const Event& event) { return event.type == "executing" && event.data.at("node").is_null(); });
}

Process::Process(const std::filesystem::path& dir, std::vector<std::string> more_arguments) {
  const char* build = std::getenv("RENDERYARD_TEST_BINARY_DIR");
  if (build == nullptr) throw std::runtime_error("RENDERYARD_TEST_BINARY_DIR is not set");
  std::vector<std::string> arguments = {std::string(build) + "/bin/comfysim", "--dir", dir.string()};
  if (std::find(more_arguments.begin(), more_arguments.end(), "--listen") == more_arguments.end()) {
    arguments.insert(arguments.end(), {"--listen", "127.0.0.1:0"});
  }
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  const int error = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  if (error != 0) throw std::runtime_error("posix_spawn");
  // It says its port in its first line.
  std::string line;
  char c = 0;
  while (::read(pipe[0], &c, 1) == 1 && c != '\n') line += c;
  ::close(pipe[0]);
  const std::size_t colon = line.rfind(':');
  if (colon == std::string::npos) throw std::runtime_error("comfysim did not start: " + line);
  port_ = static_cast<std::uint16_t>(std::stoi(line.substr(colon + 1)));
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) const {
  ::kill(pid_, number);
}

int Process::wait() {
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::optional<int> Process::wait_for(std::chrono::milliseconds patience) {
  // A process has no event to wait for with a deadline but its pidfd.
  const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  pollfd ended{descriptor, POLLIN, 0};
  const int ready = ::poll(&ended, 1, static_cast<int>(patience.count()));
  ::close(descriptor);
  if (ready != 1) return std::nullopt;
  return wait();
}

}  // namespace comfysim::testing
