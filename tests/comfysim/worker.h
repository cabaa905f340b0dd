// The thread that runs prompts.
#ifndef RENDERYARD_TESTS_COMFYSIM_WORKER_H_
#define RENDERYARD_TESTS_COMFYSIM_WORKER_H_

#include <mutex>
#include <thread>

#include "tests/comfysim/executor.h"

namespace comfysim {

// Starts its thread at the first prompt, so that an idle server costs none. Thread-safe. The destructor ends the queue
// and joins.
class Worker {
 public:
  explicit Worker(Machine& machine) : machine_(machine), executor_(machine) {}
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void wake();

 private:
  Machine& machine_;
  Executor executor_;
  std::once_flag started_;
  std::thread thread_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_WORKER_H_
