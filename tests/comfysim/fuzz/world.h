// A simulated server for the fuzzers: everything but the listener and the worker, driven by the one thread that calls.
#ifndef RENDERYARD_TESTS_COMFYSIM_FUZZ_WORLD_H_
#define RENDERYARD_TESTS_COMFYSIM_FUZZ_WORLD_H_

#include <boost/asio/io_context.hpp>
#include <string_view>

#include "tests/comfysim/hub.h"
#include "tests/comfysim/machine.h"
#include "tests/comfysim/routes.h"

namespace comfysim::fuzz {

// The state lives in a folder of its own below the temporary folder, which goes away with the process. Prompts are
// accepted and never run.
class World {
 public:
  World();

  // Serves `bytes` as one client's connection, whose end follows, until the server is done with it. Aborts when that
  // takes longer than some seconds.
  void connection(std::string_view bytes);

  // Forgets what the input left behind: queue, history, and from time to time the uploaded files and the ledger.
  void tidy();

  Routes& routes() { return routes_; }
  Machine& machine() { return machine_; }

 private:
  asio::io_context io_{1};
  Hub hub_;
  Machine machine_;
  Routes routes_;
  int inputs_ = 0;
};

}  // namespace comfysim::fuzz

#endif  // RENDERYARD_TESTS_COMFYSIM_FUZZ_WORLD_H_
