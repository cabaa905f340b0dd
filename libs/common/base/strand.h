// Strand: one logical thread of a service, with the table of everything that waits on it.
//
// Every hand-made awaitable of the project suspends through suspend(), so that ownership, cancellation and death live
// in one place. A waiting coroutine is owned by the strand's table; whoever will wake it (a timer, a network reply,
// another coroutine) holds only a Completer, which is inert once the wait is over. Destroying the table destroys the
// waiting coroutines: that is how the simulation kills a process at any await.
//
// Thread-safety: everything runs on the strand's executor, which must run one handler at a time. Only Completer::post()
// may be called from any thread.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>

#include <algorithm>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "libs/common/base/task.h"

namespace renderyard::base {

namespace internal {

struct OpBase {
  OpBase() = default;
  OpBase(const OpBase&) = delete;
  OpBase& operator=(const OpBase&) = delete;
  virtual ~OpBase() = default;
};

template <class R>
struct Op final : OpBase {
  template <class Handler>
  explicit Op(Handler&& h) : handler(std::forward<Handler>(h)) {}
  boost::asio::any_completion_handler<void(R)> handler;
};

using Waiting = absl::flat_hash_map<std::uint64_t, std::unique_ptr<OpBase>>;

// In the order in which they came: what a process's death does must not depend on hashes.
inline void destroy_in_order(Waiting waiting) {
  std::vector<std::uint64_t> ids;
  ids.reserve(waiting.size());
  for (const auto& [id, op] : waiting) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  for (const std::uint64_t id : ids) waiting.find(id)->second.reset();
}

struct StrandState {
  explicit StrandState(boost::asio::any_io_executor its_executor) : executor(std::move(its_executor)) {}
  ~StrandState() { destroy_in_order(std::exchange(waiting, {})); }
  StrandState(const StrandState&) = delete;
  StrandState& operator=(const StrandState&) = delete;

  const boost::asio::any_io_executor executor;
  Waiting waiting;  // thousands, and looked up for every message
  std::uint64_t next_id = 1;
};

}  // namespace internal

// The right to end one wait, once. Copies are cheap; the first complete() wins, later ones do nothing.
template <class R>
class Completer {
 public:
  Completer() = default;
  Completer(std::weak_ptr<internal::StrandState> state, std::uint64_t id) : state_(std::move(state)), id_(id) {}

  // On the strand only. False when the wait is already over.
  bool complete(R result) const {
    auto state = state_.lock();
    if (!state) return false;
    auto it = state->waiting.find(id_);
    if (it == state->waiting.end()) return false;
    auto op = std::move(it->second);
    state->waiting.erase(it);
    boost::asio::post(state->executor,
                      [handler = std::move(static_cast<internal::Op<R>&>(*op).handler),
                       result = std::move(result)]() mutable { std::move(handler)(std::move(result)); });
    return true;
  }

  // From any thread.
  void post(R result) const {
    auto state = state_.lock();
    if (!state) return;
    boost::asio::post(state->executor,
                      [self = *this, result = std::move(result)]() mutable { self.complete(std::move(result)); });
  }

  // On the strand only: is somebody still waiting?
  bool pending() const {
    auto state = state_.lock();
    return state && state->waiting.contains(id_);
  }

 private:
  std::weak_ptr<internal::StrandState> state_;
  std::uint64_t id_ = 0;
};

class Strand {
 public:
  explicit Strand(boost::asio::any_io_executor executor)
      : state_(std::make_shared<internal::StrandState>(std::move(executor))) {}

  const boost::asio::any_io_executor& executor() const { return state_->executor; }

  // Destroys all waiting coroutines without running them (a process's death, or the end after a drained shutdown).
  void drop_all() { internal::destroy_in_order(std::exchange(state_->waiting, {})); }

  std::size_t waiting() const { return state_->waiting.size(); }

  // For suspend() only.
  const std::shared_ptr<internal::StrandState>& state() const { return state_; }

 private:
  std::shared_ptr<internal::StrandState> state_;
};

// Waits until the Completer given to start() is completed. R is absl::Status or absl::StatusOr<T>. Returns
// CANCELLED at once when the coroutine was cancelled, now or before (a level, not an edge: it stays so).
template <class R, class Start>
Task<R> suspend(Strand& strand, Start start) {
  auto cancellation = co_await boost::asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != boost::asio::cancellation_type::none) co_return R(absl::CancelledError("cancelled"));
  auto init = [&strand, &start](auto handler) {
    auto op = std::make_unique<internal::Op<R>>(std::move(handler));
    // After wrapping: any_completion_handler puts its own proxy in front of the slot.
    auto slot = boost::asio::get_associated_cancellation_slot(op->handler);
    const std::uint64_t id = strand.state()->next_id++;
    Completer<R> completer(strand.state(), id);
    if (slot.is_connected()) {
      slot.assign(
          [completer](boost::asio::cancellation_type) { completer.complete(R(absl::CancelledError("cancelled"))); });
    }
    strand.state()->waiting.emplace(id, std::move(op));
    start(completer);
  };
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void(R)>(
      init, boost::asio::use_awaitable);
}

}  // namespace renderyard::base
