#include "libs/common/runtime/system_clock.h"

#include <absl/time/clock.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

namespace renderyard::runtime {

namespace {

absl::Time boot_time() {
  timespec spec{};
  clock_gettime(CLOCK_BOOTTIME, &spec);
  return absl::TimeFromTimespec(spec);
}

int make_timer() {
  const int fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) std::abort();  // out of descriptors before anything was opened: nothing can work
  return fd;
}

}  // namespace

SystemClock::SystemClock(base::Strand& strand)
    : strand_(strand), offset_(absl::Now() - boot_time()), timer_(strand.executor(), make_timer()) {
  wait();
}

SystemClock::~SystemClock() = default;

absl::Time SystemClock::now() const {
  return boot_time() + offset_;
}
absl::Time SystemClock::wall() const {
  return absl::Now();
}

base::Clock::TimerId SystemClock::call_at(absl::Time when, absl::AnyInvocable<void()> callback) {
  const TimerId id = next_id_++;
  callbacks_.emplace(std::pair(when, id), std::move(callback));
  times_.emplace(id, when);
  if (!firing_) arm();
  return id;
}

void SystemClock::cancel(TimerId id) {
  const auto found = times_.find(id);
  if (found == times_.end()) return;
  // Outlives the erasure: what a callback owns may cancel timers of its own.
  auto node = callbacks_.extract(std::pair(found->second, id));
  times_.erase(found);
  // The timer stays armed; it finds nothing to do then.
}

base::Task<absl::Status> SystemClock::sleep_until(absl::Time when) {
  TimerId timer = 0;
  auto start = [this, when, &timer](base::Completer<absl::Status> completer) {
    timer = call_at(when, [completer] { completer.complete(absl::OkStatus()); });
  };
  absl::Status status = co_await base::suspend<absl::Status>(strand_, start);
  cancel(timer);
  co_return status;
}

void SystemClock::arm() {
  if (callbacks_.empty()) return;
  const absl::Time first = callbacks_.begin()->first.first;
  if (first >= armed_) return;
  if (first == absl::InfiniteFuture()) return;
  armed_ = first;
  itimerspec spec{};
  spec.it_value = absl::ToTimespec(first - offset_);
  // All zero would disarm; a moment in the past fires at once.
  if (spec.it_value.tv_sec < 0 || (spec.it_value.tv_sec == 0 && spec.it_value.tv_nsec == 0)) spec.it_value = {0, 1};
  timerfd_settime(timer_.native_handle(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void SystemClock::wait() {
  timer_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this, alive = std::weak_ptr<Alive>(alive_)](boost::system::error_code error) {
                      if (error || alive.expired()) return;
                      std::uint64_t expirations = 0;
                      // Nothing to read when it was armed anew meanwhile; then it fires again.
                      if (::read(timer_.native_handle(), &expirations, sizeof expirations) > 0) fire();
                      wait();
                    });
}

void SystemClock::fire() {
  armed_ = absl::InfiniteFuture();
  firing_ = true;
  const absl::Time until = now();
  // Only what was due when we came: a callback that arms a timer for "now" does not keep the others waiting.
  const TimerId last = next_id_;
  for (auto it = callbacks_.begin(); it != callbacks_.end() && it->first.first <= until;) {
    if (it->first.second >= last) {
      ++it;
      continue;
    }
    auto node = callbacks_.extract(it);
    times_.erase(node.key().second);
    node.mapped()();
    it = callbacks_.begin();  // the callback may have changed the map
  }
  firing_ = false;
  arm();
}

}  // namespace renderyard::runtime
