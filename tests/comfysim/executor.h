// The worker: takes prompts from the queue and runs them, one at a time.
#ifndef RENDERYARD_TESTS_COMFYSIM_EXECUTOR_H_
#define RENDERYARD_TESTS_COMFYSIM_EXECUTOR_H_

#include <cstdint>

#include "tests/comfysim/machine.h"
#include "tests/comfysim/output_cache.h"

namespace comfysim {

// Runs on a thread of its own, as in ComfyUI.
class Executor {
 public:
  explicit Executor(Machine& machine) : machine_(machine) {}

  // Returns after PromptQueue::stop().
  void run_forever();

 private:
  Machine& machine_;
  OutputCache cache_;
  std::uint64_t life_ = 0;  // of what is in the cache
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_EXECUTOR_H_
