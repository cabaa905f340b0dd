// Inbox<T>: what a connection has delivered to a process, in order, and how it ended. Filled by the world; while the
// process is stopped it fills like a socket's buffer. Shared by the process's end and by deliveries under way.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/testing/sim/process.h"

namespace renderyard::testing::sim {

template <class T>
class Inbox : public std::enable_shared_from_this<Inbox<T>> {
 public:
  explicit Inbox(Process& process) : process_(process) {}

  // The item arrives `delay` from now, but never before what was sent earlier.
  void send(absl::Duration delay, T item) {
    if (end_sent_) return;
    process_.world().at(arrival(delay), [self = this->shared_from_this(), item = std::move(item)]() mutable {
      if (self->end_) return;
      self->items_.push_back(std::move(item));
      self->wake();
    });
  }

  // Nothing comes after this. OK: a regular end.
  void send_end(absl::Duration delay, absl::Status status) {
    if (end_sent_) return;
    end_sent_ = true;
    process_.world().at(arrival(delay),
                        [self = this->shared_from_this(), status = std::move(status)] { self->finish(status); });
  }

  bool ended() const { return end_.has_value(); }
  bool end_sent() const { return end_sent_; }

  // The next item; nullopt after a regular end, the status of the end otherwise, or CANCELLED.
  base::Task<absl::StatusOr<std::optional<T>>> next() {
    auto self = this->shared_from_this();
    while (items_.empty()) {
      if (end_) {
        if (end_->ok()) co_return std::optional<T>();
        co_return *end_;
      }
      auto start = [this](base::Completer<absl::Status> completer) { waiter_ = completer; };
      const absl::Status status = co_await base::suspend<absl::Status>(process_.strand(), start);
      if (!status.ok()) co_return status;
    }
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    co_return item;
  }

 private:
  absl::Time arrival(absl::Duration delay) {
    last_arrival_ = std::max(last_arrival_, process_.world().now() + delay);
    return last_arrival_;
  }
  void finish(const absl::Status& status) {
    if (end_) return;
    end_ = status;
    wake();
  }
  void wake() {
    process_.deliver([self = this->shared_from_this()] { self->waiter_.complete(absl::OkStatus()); });
  }

  Process& process_;
  std::deque<T> items_;
  std::optional<absl::Status> end_;
  bool end_sent_ = false;
  absl::Time last_arrival_ = absl::InfinitePast();
  base::Completer<absl::Status> waiter_;
};

}  // namespace renderyard::testing::sim
