#include "tests/comfysim/fuzz/world.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/comfysim/http_session.h"

namespace comfysim::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr auto kLongestConnection = std::chrono::seconds(8);
constexpr int kInputsBetweenCleaning = 256;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "comfysim-fuzz-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

const fs::path& folder() {
  static const Folder kFolder;
  return kFolder.path();
}

Options options() {
  Options out;
  out.dir = folder();
  out.faults = false;  // an input that asks for the fault "die" would end the fuzzer
  out.max_upload_mb = 0.25;
  return out;
}

}  // namespace

World::World()
    : hub_(io_),
      machine_(options(), hub_, {.wake_worker = [] {}, .close_door = [](std::chrono::milliseconds) {}}),
      routes_(machine_) {
  std::signal(SIGPIPE, SIG_IGN);
  asio::co_spawn(io_, hub_.publish_loop(), asio::detached);
  io_.poll();
}

void World::connection(std::string_view bytes) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) std::abort();
  bool done = false;
  asio::ip::tcp::socket socket(io_);
  socket.assign(asio::ip::tcp::v4(), ends[0]);
  asio::co_spawn(io_, serve_http(std::move(socket), hub_, machine_, routes_),
                 [&done](std::exception_ptr) { done = true; });
  const auto deadline = std::chrono::steady_clock::now() + kLongestConnection;
  std::array<char, 65536> answer{};
  bool open = true;
  while (!done || hub_.open_sockets() > 0) {
    if (!bytes.empty()) {
      const ssize_t sent = ::send(ends[1], bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
      if (sent < 0 && errno != EAGAIN) bytes = {};
    } else if (open) {
      ::shutdown(ends[1], SHUT_WR);
      open = false;
    }
    while (::recv(ends[1], answer.data(), answer.size(), 0) > 0) {
    }
    io_.restart();
    io_.poll();
    if (std::chrono::steady_clock::now() > deadline) {
      std::fprintf(stderr, "the connection does not end\n");
      std::abort();
    }
  }
  ::close(ends[1]);
  io_.restart();
  io_.poll();
}

void World::tidy() {
  machine_.queue.clear();
  machine_.queue.clear_history();
  machine_.control.clear_interrupt();
  io_.restart();
  io_.poll();
  if (++inputs_ % kInputsBetweenCleaning != 0) return;
  for (const char* type : {"input", "output", "temp"}) {
    fs::remove_all(folder() / type);
    fs::create_directories(folder() / type);
  }
  fs::resize_file(folder() / "ledger.jsonl", 0);
}

}  // namespace comfysim::fuzz
