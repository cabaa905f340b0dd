#include "tests/integration/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <vector>

extern char** environ;

namespace renderyard::test {

namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no free port");
  }
  close(fd);
  return ntohs(address.sin_port);
}

int connect_to(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

RedisServer::RedisServer(std::string password) : port_(free_port()), password_(std::move(password)) {
  start();
}
RedisServer::~RedisServer() {
  kill_hard();
}

std::string RedisServer::url() const {
  return "redis://" + (password_.empty() ? "" : ":" + password_ + "@") + "127.0.0.1:" + std::to_string(port_) + "/0";
}

void RedisServer::start() {
  std::vector<std::string> words = {"redis-server", "--bind", "127.0.0.1",    "--port", std::to_string(port_),
                                    "--save",       "",       "--appendonly", "no",     "--loglevel",
                                    "warning"};
  if (!password_.empty()) words.insert(words.end(), {"--requirepass", password_});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const int spawned = posix_spawnp(&pid_, "redis-server", &quiet, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&quiet);
  if (spawned != 0) {
    throw std::runtime_error("redis-server cannot be started");
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    if (const int fd = connect_to(port_); fd >= 0) {
      close(fd);
      return;
    }
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error("redis-server does not listen");
    poll(nullptr, 0, 5);  // it says nowhere that it is ready
  }
}

void RedisServer::kill_hard() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void RedisServer::freeze() {
  kill(pid_, SIGSTOP);
}
void RedisServer::thaw() {
  kill(pid_, SIGCONT);
}

std::string RedisServer::command(const std::string& line) const {
  const int fd = connect_to(port_);
  if (fd < 0) throw std::runtime_error("redis-server is away");
  // Inline commands; QUIT ends the connection, so that the reply is all that can be read.
  const std::string text = (password_.empty() ? "" : "AUTH " + password_ + "\r\n") + line + "\r\nQUIT\r\n";
  if (write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) throw std::runtime_error("write");
  std::string reply;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd, buffer, sizeof buffer)) > 0;)
    reply.append(buffer, static_cast<std::size_t>(got));
  close(fd);
  return reply;
}

}  // namespace renderyard::test
