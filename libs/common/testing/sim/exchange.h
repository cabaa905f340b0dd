// A request from a process to something outside of it, and the reply. The effect is scheduled by the world, so it
// happens even when the caller dies or gives up meanwhile; the reply is inert then. Replies reach a stopped process
// only when it goes on, as jobs like any other.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <utility>

#include "libs/common/base/strand.h"
#include "libs/common/testing/sim/process.h"

namespace renderyard::testing::sim {

template <class R>
class Reply {
 public:
  Reply(Process& process, base::Completer<R> completer) : process_(&process), completer_(std::move(completer)) {}
  void operator()(R result) const {
    process_->deliver(
        [completer = completer_, result = std::move(result)]() mutable { completer.complete(std::move(result)); });
  }

 private:
  Process* process_;
  base::Completer<R> completer_;
};

// Calls start(Reply<R>) and waits for the reply, the deadline (DEADLINE_EXCEEDED) or the caller's cancellation.
template <class R, class Start>
base::Task<R> exchange(Process& caller, absl::Time deadline, Start start) {
  TimerId timer = 0;
  auto begin = [&caller, &start, &timer, deadline](base::Completer<R> completer) {
    if (deadline != absl::InfiniteFuture()) {
      timer = caller.clock().call_at(
          deadline, [completer] { completer.complete(R(absl::DeadlineExceededError("no answer in time"))); });
    }
    if (caller.world().effect(caller, "request")) start(Reply<R>(caller, completer));
  };
  R result = co_await base::suspend<R>(caller.strand(), begin);
  if (timer != 0) caller.clock().cancel(timer);
  co_return result;
}

}  // namespace renderyard::testing::sim
