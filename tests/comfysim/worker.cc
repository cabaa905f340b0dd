#include "tests/comfysim/worker.h"

namespace comfysim {

Worker::~Worker() {
  machine_.queue.stop();
  machine_.control.end_life();
  if (thread_.joinable()) thread_.join();
}

void Worker::wake() {
  std::call_once(started_, [this] { thread_ = std::thread([this] { executor_.run_forever(); }); });
}

}  // namespace comfysim
