#include "libs/common/runtime/warden.h"

#include <absl/time/clock.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>

namespace renderyard::runtime {

namespace {

// Commands are added up by the eventfd: one arm and one end within a moment must both be seen.
constexpr std::uint64_t kArm = 1;
constexpr std::uint64_t kEnd = 1ULL << 32U;

using SteadyTime = std::chrono::steady_clock::time_point;

}  // namespace

Warden::Warden(base::Journal& journal, absl::Duration timeout, std::function<void()> on_signal)
    : journal_(journal), timeout_(timeout), on_signal_(std::move(on_signal)) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGINT);
  pthread_sigmask(SIG_BLOCK, &mask, &old_mask_);
  std::signal(SIGPIPE, SIG_IGN);
  signal_fd_ = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  command_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signal_fd_ < 0 || command_fd_ < 0) std::abort();  // out of descriptors before anything was opened
  thread_ = std::thread([this] { watch(); });
}

Warden::~Warden() {
  [[maybe_unused]] const auto written = write(command_fd_, &kEnd, sizeof kEnd);
  thread_.join();
  close(signal_fd_);
  close(command_fd_);
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void Warden::arm() {
  [[maybe_unused]] const auto written = write(command_fd_, &kArm, sizeof kArm);
}

void Warden::watch() {
  std::optional<SteadyTime> end;
  bool signalled = false;
  for (;;) {
    int wait_ms = -1;
    if (end) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(*end - std::chrono::steady_clock::now());
      if (left.count() <= 0) end_process("stop_timed_out");
      wait_ms = static_cast<int>(left.count()) + 1;
    }
    std::array<pollfd, 2> fds = {pollfd{signal_fd_, POLLIN, 0}, pollfd{command_fd_, POLLIN, 0}};
    poll(fds.data(), fds.size(), wait_ms);
    const auto limit = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(timeout_);
    std::uint64_t command = 0;
    if (read(command_fd_, &command, sizeof command) == static_cast<ssize_t>(sizeof command)) {
      if (command >= kEnd) return;
      if (!end) end = limit;
    }
    signalfd_siginfo info{};
    if (read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (signalled) end_process("second_signal");
      signalled = true;
      if (!end) end = limit;
      journal_.info("signal", {{"signal", static_cast<std::int64_t>(info.ssi_signo)}});
      on_signal_();
    }
  }
}

void Warden::end_process(const char* event) const {
  // Standard error may be a pipe that nobody reads, or its lock held by a stuck thread: then the alarm ends us.
  alarm(1);
  journal_.error(event, {{"exit_code", 1}});
  _exit(1);
}

}  // namespace renderyard::runtime
