#include "tests/comfysim/executor.h"

#include <utility>

#include "tests/comfysim/run.h"

namespace comfysim {

void Executor::run_forever() {
  for (;;) {
    auto taken = machine_.queue.take();
    if (!taken) return;
    const std::uint64_t task = taken->first;
    const std::uint64_t life = machine_.control.life();
    // The queue may have been forgotten between these two lines; then this prompt belongs to the old life.
    if (!machine_.queue.is_running(task)) continue;
    if (machine_.control.take_free() || life != life_) cache_.clear();
    life_ = life;
    Run run(machine_, cache_, std::move(taken->second), life);
    const std::string prompt_id = run.prompt_id();
    std::optional<json::object> entry = run.execute();
    if (!entry) {
      machine_.control.rest_in_peace(life);
      continue;
    }
    machine_.before_history(run.item());
    machine_.queue.task_done(task, std::move(*entry));
    machine_.after_history(run.item(), run.written());
    if (run.client()) {
      machine_.sockets.send(run.client(), "executing", {{"node", nullptr}, {"prompt_id", prompt_id}});
    }
    machine_.log.add("Prompt executed in 0.00 seconds");
  }
}

}  // namespace comfysim
