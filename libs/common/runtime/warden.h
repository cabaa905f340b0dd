// The warden: one thread that waits for SIGTERM and SIGINT and that is the watchdog of a stop. It does not depend on
// the logic thread, so that a stuck process still ends. Thread-safety: arm() from any thread.
#pragma once

#include <absl/time/time.h>

#include <csignal>
#include <functional>
#include <thread>

#include "libs/common/base/journal.h"

namespace renderyard::runtime {

class Warden {
 public:
  // Blocks the two signals for this thread and all it will start; ignores SIGPIPE. `on_signal` runs on the warden's
  // thread at the first signal, which also arms the watchdog; the second one ends the process with exit code 1.
  Warden(base::Journal& journal, absl::Duration timeout, std::function<void()> on_signal);
  // Ends the thread, restores the signal mask.
  ~Warden();
  Warden(const Warden&) = delete;
  Warden& operator=(const Warden&) = delete;

  // From now on the process has `timeout` until it is ended with exit code 1.
  void arm();

 private:
  void watch();
  [[noreturn]] void end_process(const char* event) const;

  base::Journal& journal_;
  absl::Duration timeout_;
  std::function<void()> on_signal_;
  sigset_t old_mask_{};
  int signal_fd_ = -1;
  int command_fd_ = -1;
  std::thread thread_;
};

}  // namespace renderyard::runtime
