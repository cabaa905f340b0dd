// One simulated server on an I/O context that it does not own.
#ifndef RENDERYARD_TESTS_COMFYSIM_INSTANCE_H_
#define RENDERYARD_TESTS_COMFYSIM_INSTANCE_H_

#include <boost/asio/io_context.hpp>
#include <cstdint>

#include "tests/comfysim/hub.h"
#include "tests/comfysim/listener.h"
#include "tests/comfysim/machine.h"
#include "tests/comfysim/routes.h"
#include "tests/comfysim/worker.h"

namespace comfysim {

// Listens from construction on and serves while the context runs. Must outlive every handler that is run on `io`: stop
// the context first, then destroy the instance, then the context. Throws as Server does.
class Instance {
 public:
  Instance(asio::io_context& io, Options options);
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  std::uint16_t port() const { return listener_.port(); }

 private:
  Hub hub_;
  Listener listener_;
  Machine machine_;
  Routes routes_;
  Worker worker_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_INSTANCE_H_
