// A whole simulated ComfyUI server in this process.
#ifndef RENDERYARD_TESTS_COMFYSIM_SERVER_H_
#define RENDERYARD_TESTS_COMFYSIM_SERVER_H_

#include <cstdint>
#include <memory>

#include "tests/comfysim/machine.h"

namespace comfysim {

// Listens from construction on; runs one thread for all I/O and one worker, as the real server does. The destructor
// ends both without telling the clients. Throws std::exception when it cannot listen or has no folder.
class Server {
 public:
  explicit Server(Options options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_SERVER_H_
