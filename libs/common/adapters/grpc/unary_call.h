// One unary call as a task. Its state belongs to the call, not to the waiting coroutine: when that is cancelled or
// destroyed, the call is cancelled at the server and its callback still finds everything it needs.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <grpc/support/time.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <utility>

#include "libs/common/adapters/grpc/outstanding.h"
#include "libs/common/adapters/grpc/release.h"
#include "libs/common/base/clock.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/runtime/grpc/status.h"

namespace renderyard::grpc_clients {

// A deadline of our clock as gRPC takes it.
inline gpr_timespec to_gpr(const base::Clock& clock, absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  const absl::Duration left = deadline - clock.now();
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_micros(absl::ToInt64Microseconds(left), GPR_TIMESPAN));
}

template <class Req, class Rep>
struct UnaryState {
  grpc::ClientContext context;
  Req request;
  Rep reply;
};

// How a stub's asynchronous method is called; holds the stub.
template <class Req, class Rep>
using UnaryMethod = std::function<void(grpc::ClientContext*, const Req*, Rep*, std::function<void(grpc::Status)>)>;

// `state->context` is prepared (deadline, token). The error is the server's, or DEADLINE_EXCEEDED, UNAVAILABLE,
// CANCELLED; none of the three means that it did not happen. `outstanding` outlives the call.
template <class Req, class Rep>
base::Task<absl::StatusOr<Rep>> unary_call(base::Strand& strand, Outstanding& outstanding,
                                           std::shared_ptr<UnaryState<Req, Rep>> state, UnaryMethod<Req, Rep> method) {
  struct CancelOnExit {
    std::shared_ptr<UnaryState<Req, Rep>> call;
    ~CancelOnExit() {
      if (call) call->context.TryCancel();
    }
  };
  CancelOnExit guard{state};
  // gRPC's copy of the callback holds nothing: what it needs is let go on the strand.
  struct Held {
    std::shared_ptr<UnaryState<Req, Rep>> call;
    UnaryMethod<Req, Rep> method;
    std::shared_ptr<Held> self;
  };
  auto start = [&strand, &outstanding, &state, &method](base::Completer<absl::Status> completer) {
    const std::uint64_t id = outstanding.begin([weak = std::weak_ptr(state)] {
      if (const auto call = weak.lock()) call->context.TryCancel();
    });
    auto held = std::make_shared<Held>(Held{state, std::move(method), nullptr});
    held->self = held;
    Held* const raw = held.get();
    raw->method(&state->context, &state->request, &state->reply,
                [raw, executor = strand.executor(), completer, id, &outstanding](const grpc::Status& status) {
                  completer.post(runtime::from_grpc(status));
                  release_on(executor, std::move(raw->self));
                  outstanding.end(id);
                });
  };
  const absl::Status status = co_await base::suspend<absl::Status>(strand, start);
  if (!absl::IsCancelled(status)) guard.call = nullptr;  // it has ended
  if (!status.ok()) co_return status;
  co_return std::move(state->reply);
}

}  // namespace renderyard::grpc_clients
