// Arbitrary bytes on a TCP connection: HTTP requests, the upgrade, WebSocket frames.
#include <cstddef>
#include <cstdint>

#include "tests/comfysim/fuzz/world.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static comfysim::fuzz::World world;
  world.connection({reinterpret_cast<const char*>(data), size});
  world.tidy();
  return 0;
}
