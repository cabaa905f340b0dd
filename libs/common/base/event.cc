#include "libs/common/base/event.h"

#include <algorithm>
#include <utility>

namespace renderyard::base {

void Event::notify() {
  auto waiters = std::exchange(waiters_, {});
  bool woken = false;
  for (auto& waiter : waiters) woken = waiter.complete(absl::OkStatus()) || woken;
  if (!woken) remembered_ = true;
}

Task<absl::Status> Event::wait_until(absl::Time deadline) {
  const auto before = co_await boost::asio::this_coro::cancellation_state;
  if (before.cancelled() != boost::asio::cancellation_type::none) co_return absl::CancelledError("cancelled");
  if (std::exchange(remembered_, false)) co_return absl::OkStatus();
  if (deadline <= clock_.now()) co_return absl::DeadlineExceededError("deadline");
  Clock::TimerId timer = 0;
  auto start = [this, deadline, &timer](Completer<absl::Status> completer) {
    // Waits that ended by a deadline leave their entry behind; they go when the next wait begins.
    std::erase_if(waiters_, [](const auto& waiter) { return !waiter.pending(); });
    waiters_.push_back(completer);
    if (deadline != absl::InfiniteFuture()) {
      timer = clock_.call_at(deadline, [completer] { completer.complete(absl::DeadlineExceededError("deadline")); });
    }
  };
  absl::Status status = co_await suspend<absl::Status>(strand_, start);
  if (timer != 0) clock_.cancel(timer);
  const auto after = co_await boost::asio::this_coro::cancellation_state;
  if (after.cancelled() == boost::asio::cancellation_type::none) co_return status;
  // Woken first and cancelled before it ran: the wake-up is somebody else's then.
  if (status.ok()) notify();
  co_return absl::CancelledError("cancelled");
}

}  // namespace renderyard::base
