#include "libs/common/runtime/passes.h"

#include <thread>

namespace renderyard::runtime {

void run_in_passes(boost::asio::io_context& context) {
  using Clock = std::chrono::steady_clock;
  int busy = 0;
  Clock::time_point last = Clock::now();
  while (context.run_one() > 0) {
    const bool soon = Clock::now() - last < kPass;
    context.poll();
    busy = soon ? busy + 1 : 0;
    if (busy >= kBusyAfter) std::this_thread::sleep_for(kPass);
    last = Clock::now();
  }
}

}  // namespace renderyard::runtime
