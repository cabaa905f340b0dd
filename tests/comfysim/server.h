// Simulated ComfyUI servers in this process.
#ifndef RENDERYARD_TESTS_COMFYSIM_SERVER_H_
#define RENDERYARD_TESTS_COMFYSIM_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "tests/comfysim/machine.h"

namespace comfysim {

inline constexpr std::size_t kMostInstances = 1024;

// One or more servers that share nothing but one thread for all I/O; each has a worker, as the real one has. With more
// than one each has its own folder DIR/1, DIR/2, … and the port after that of the one before it (port 0: each a free
// one), and its name gets "-1", "-2", … Listens from construction on; the destructor ends them without telling the
// clients. Throws std::exception when it cannot listen, has no folder or may not open enough files.
class Server {
 public:
  explicit Server(const Options& options, std::size_t instances = 1);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const { return ports().front(); }
  std::vector<std::uint16_t> ports() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_SERVER_H_
