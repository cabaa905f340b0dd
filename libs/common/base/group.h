// Group: children that live no longer than their parent. The first error cancels the others; join() always waits for
// all. with_deadline() bounds compound work; a deadline on a port call itself is better where the port takes one.
// Thread-safety: on the strand only, cancel() excepted. A deadline or a cancellation never means "it did not happen".
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <memory>

#include "libs/common/base/clock.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"

namespace renderyard::base {

class Group {
 public:
  explicit Group(Strand& strand);
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  // Legal at any time. Cancels nobody: it also runs when a process dies, where no code of the children may run.
  ~Group();

  // Starts a child. An error it returns (other than CANCELLED after cancel()) cancels all the others.
  void spawn(Task<absl::Status> child);
  // Starts a child whose error ends only itself.
  void spawn_isolated(Task<absl::Status> child);
  // Asks every child to stop: their port calls return CANCELLED from then on. Any thread; takes effect on the strand.
  void cancel();
  // Waits until no child runs; the first error of a spawn()ed child. A cancellation of the waiter is handed on to the
  // children, and CANCELLED is returned when they have ended (the waiter must then return too).
  Task<absl::Status> join();
  std::size_t live() const;

 private:
  struct State;
  void start(Task<absl::Status> child, bool isolated);
  Strand& strand_;
  std::shared_ptr<State> state_;
};

// Cancels `work` at `deadline`; DEADLINE_EXCEEDED then. Waits for the work to notice.
Task<absl::Status> with_deadline(Strand& strand, Clock& clock, Task<absl::Status> work, absl::Time deadline);

namespace internal {
template <class T>
Task<absl::Status> keep_result(Task<absl::StatusOr<T>> work, absl::StatusOr<T>& result) {
  result = co_await std::move(work);
  co_return result.status();
}
}  // namespace internal

template <class T>
Task<absl::StatusOr<T>> with_deadline(Strand& strand, Clock& clock, Task<absl::StatusOr<T>> work, absl::Time deadline) {
  absl::StatusOr<T> result;
  Task<absl::Status> kept = internal::keep_result(std::move(work), result);
  const absl::Status status = co_await with_deadline(strand, clock, std::move(kept), deadline);
  if (!status.ok()) co_return status;
  co_return std::move(result);
}

// Starts a root task of a process (its children are in Groups); `done` runs on the strand. For process roots only.
void spawn_root(Strand& strand, Task<absl::Status> task, absl::AnyInvocable<void(absl::Status)> done);

}  // namespace renderyard::base
