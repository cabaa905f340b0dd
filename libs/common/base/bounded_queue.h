// BoundedQueue<T>: one consumer, any number of producers on the same strand, a bound, and a policy when full that the
// producer chooses: try_push() refuses, push_dropping_oldest() forgets the oldest.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "libs/common/base/event.h"

namespace renderyard::base {

template <class T>
class BoundedQueue {
 public:
  BoundedQueue(Strand& strand, Clock& clock, std::size_t capacity) : event_(strand, clock), capacity_(capacity) {}

  // False when full or closed; the item is not taken then.
  bool try_push(T item) {
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    event_.notify();
    return true;
  }

  // True when something had to go.
  bool push_dropping_oldest(T item) {
    if (closed_) return false;
    const bool full = items_.size() >= capacity_;
    if (full) items_.pop_front();
    items_.push_back(std::move(item));
    event_.notify();
    return full;
  }

  // No more items; those in the queue are still delivered, then pop() returns `status` (OK = a regular end).
  void close(absl::Status status = absl::OkStatus()) {
    if (closed_) return;
    closed_ = true;
    end_ = std::move(status);
    event_.notify();
  }

  // The next item; nullopt after a regular end; the status of close(), DEADLINE_EXCEEDED or CANCELLED otherwise.
  Task<absl::StatusOr<std::optional<T>>> pop(absl::Time deadline = absl::InfiniteFuture()) {
    while (items_.empty()) {
      if (closed_) {
        if (end_.ok()) co_return std::optional<T>();
        co_return end_;
      }
      const absl::Status status = co_await event_.wait_until(deadline);
      if (!status.ok()) co_return status;
    }
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    co_return item;
  }

  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  bool closed() const { return closed_; }

  // For coalescing producers: what waits to be popped, oldest first.
  std::deque<T>& items() { return items_; }

 private:
  Event event_;
  std::size_t capacity_;
  std::deque<T> items_;
  bool closed_ = false;
  absl::Status end_;
};

}  // namespace renderyard::base
