// The client of bench/comfysim: keeps one comfysim busy with prompts of one kind and counts their ends on a WebSocket.
// Blocking sockets: a thread posts over kept connections, another reads the WebSocket. Prints one JSON object:
//   {"prompts":N,"seconds":S,"messages":M,"server_cpu_us":U}
// seconds: from the first POST to the last end; server_cpu_us: user and system time of the process --pid in between.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr int kPatienceSeconds = 30;

// One TCP connection to 127.0.0.1 and what came over it.
class Connection {
 public:
  explicit Connection(int port) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    const timeval limit{kPatienceSeconds, 0};
    ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      throw std::runtime_error("cannot connect to port " + std::to_string(port));
    }
  }
  ~Connection() { ::close(descriptor_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) throw std::runtime_error("the connection broke while sending");
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void receive() {
    char chunk[65536];
    const ssize_t n = ::recv(descriptor_, chunk, sizeof(chunk), 0);
    if (n <= 0) throw std::runtime_error("nothing came");
    buffer.append(chunk, static_cast<std::size_t>(n));
  }
  // Head of an HTTP answer, up to the empty line.
  std::string head() {
    std::size_t end = std::string::npos;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) receive();
    std::string out = buffer.substr(0, end + 4);
    buffer.erase(0, end + 4);
    return out;
  }

  std::string buffer;

 private:
  int descriptor_;
};

// Status of one answer; its body is dropped.
int read_answer(Connection& connection) {
  const std::string head = connection.head();
  constexpr std::string_view kLength = "Content-Length: ";
  const std::size_t field = head.find(kLength);
  if (field == std::string::npos) throw std::runtime_error("an answer without Content-Length");
  const std::size_t size = std::stoul(head.substr(field + kLength.size()));
  while (connection.buffer.size() < size) connection.receive();
  connection.buffer.erase(0, size);
  return std::stoi(head.substr(9, 3));
}

// Counts the ends of prompts among the messages of a WebSocket.
class Watcher {
 public:
  explicit Watcher(int port) : connection_(port) {
    connection_.send(
        "GET /ws?clientId=bench HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    if (connection_.head().find(" 101 ") == std::string::npos) throw std::runtime_error("no WebSocket");
  }

  // Returns at the end of prompt number `count`.
  void run(int count) {
    while (ended() < count) {
      std::size_t at = 0;
      while (const std::size_t size = frame(at)) at += size;
      connection_.buffer.erase(0, at);
      if (ended() < count) connection_.receive();
    }
  }
  // Waits until at least `count` prompts have ended.
  void wait(int count) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(kPatienceSeconds), [&] { return ended_ >= count; })) {
      throw std::runtime_error("the prompts do not end");
    }
  }
  std::int64_t messages() const { return messages_; }

 private:
  int ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }

  // Size of the whole frame at `at`, 0 when it is not there yet.
  std::size_t frame(std::size_t at) {
    const std::string_view rest = std::string_view(connection_.buffer).substr(at);
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
    if (rest.size() < 2) return 0;
    std::size_t head = 2;
    std::size_t size = byte(1) & 0x7fu;
    const std::size_t more = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (rest.size() < head + more) return 0;
    if (more > 0) size = 0;
    for (std::size_t i = 0; i < more; ++i) size = size << 8 | byte(head + i);
    head += more;
    if (rest.size() < head + size) return 0;
    ++messages_;
    const std::string_view text = rest.substr(head, size);
    if (text.find("\"type\": \"executing\"") != std::string_view::npos &&
        text.find("\"node\": null") != std::string_view::npos) {
      const std::lock_guard lock(mutex_);
      ++ended_;
      changed_.notify_all();
    }
    return head + size;
  }

  Connection connection_;
  std::atomic<std::int64_t> messages_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  int ended_ = 0;
};

// No two prompts of one run are equal, so that nothing is cached.
std::string prompt(const std::string& kind, int n) {
  const std::string number = std::to_string(n);
  if (kind == "text") {
    return R"({"1":{"class_type":"BridgeText","inputs":{"text":"bench )" + number + R"(","seed":)" + number + "}}}";
  }
  return R"({"1":{"class_type":"EmptyImage","inputs":{"width":8,"height":8,"batch_size":1,"color":)" +
         std::to_string(n % 0xffffff) +
         R"(}},"2":{"class_type":"SaveImage","inputs":{"images":["1",0],"filename_prefix":"bench)" + number + "\"}}}";
}

std::int64_t cpu_us(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(in, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  std::int64_t user = 0;
  std::int64_t system = 0;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  if (!(fields >> user >> system)) throw std::runtime_error("no process " + std::to_string(pid));
  return (user + system) * 1'000'000 / ::sysconf(_SC_CLK_TCK);
}

void post_all(int port, const std::string& kind, int count, int first, int connections, Watcher& watcher) {
  constexpr int kMostWaiting = 256;  // prompts in comfysim's queue
  std::vector<std::unique_ptr<Connection>> kept;
  for (int i = 0; i < connections; ++i) kept.push_back(std::make_unique<Connection>(port));
  for (int sent = 0; sent < count;) {
    const int round = std::min(connections, count - sent);
    for (int i = 0; i < round; ++i) {
      const std::string body = R"({"client_id":"bench","prompt":)" + prompt(kind, first + sent + i) +
                               R"(,"extra_data":{"renderyard":{"execution_id":)" + std::to_string(first + sent + i) +
                               "}}}";
      kept[static_cast<std::size_t>(i)]->send(
          "POST /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
          "application/json\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\n\r\n" + body);
    }
    for (int i = 0; i < round; ++i) {
      const int status = read_answer(*kept[static_cast<std::size_t>(i)]);
      if (status != 200) throw std::runtime_error("POST answered " + std::to_string(status));
    }
    sent += round;
    watcher.wait(sent - kMostWaiting);
  }
  watcher.wait(count);
}

}  // namespace

int main(int argc, char** argv) {
  int port = 0;
  int pid = 0;
  int count = 20'000;
  int first = 1;
  int connections = 8;
  std::string kind = "text";
  CLI::App app("posts prompts to one comfysim as fast as it takes them");
  app.add_option("--port", port, "of comfysim")->required();
  app.add_option("--pid", pid, "of comfysim")->required();
  app.add_option("--kind", kind, "text (one node, no file) or save (EmptyImage, SaveImage)")
      ->check(CLI::IsMember({"text", "save"}));
  app.add_option("--count", count, "prompts")->check(CLI::PositiveNumber);
  app.add_option("--first", first, "number of the first one; other numbers are other prompts");
  app.add_option("--connections", connections, "kept HTTP connections")->check(CLI::Range(1, 100));
  CLI11_PARSE(app, argc, argv);
  try {
    Watcher watcher(port);
    const std::int64_t cpu = cpu_us(pid);
    const auto start = std::chrono::steady_clock::now();
    std::thread reader([&] {
      try {
        watcher.run(count);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "the WebSocket: %s\n", error.what());
      }
    });
    try {
      post_all(port, kind, count, first, connections, watcher);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      std::exit(1);  // the reader may wait for long
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    const std::int64_t used = cpu_us(pid) - cpu;
    reader.join();
    std::printf("{\"prompts\":%d,\"seconds\":%.3f,\"messages\":%lld,\"server_cpu_us\":%lld}\n", count, took.count(),
                static_cast<long long>(watcher.messages()), static_cast<long long>(used));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
