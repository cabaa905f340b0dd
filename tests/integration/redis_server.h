// A private redis-server on a free loopback port, for one test; killed and started again on the same port at will.
#pragma once

#include <sys/types.h>

#include <string>

namespace renderyard::test {

class RedisServer {
 public:
  // Starts it and waits until it accepts connections. `password` empty: none.
  explicit RedisServer(std::string password = "");
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  void start();
  void kill_hard();
  // SIGSTOP and SIGCONT: it lives and does not answer.
  void freeze();
  void thaw();
  int port() const { return port_; }
  std::string url() const;
  // One command over a connection of its own; the raw reply.
  std::string command(const std::string& line) const;

 private:
  int port_ = 0;
  std::string password_;
  pid_t pid_ = -1;
};

}  // namespace renderyard::test
