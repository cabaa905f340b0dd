// offload(): runs a piece of work on the pool and waits for it on the strand.
//
// A cancelled wait returns at once, while the work goes on by itself: a cancellation never means "it did not happen".
// The work owns what it captures.
#pragma once

#include <absl/status/status.h>

#include <utility>

#include "libs/common/adapters/postgres/errors.h"
#include "libs/common/adapters/postgres/pool.h"
#include "libs/common/adapters/postgres/session.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"

namespace renderyard::postgres {

// R is absl::Status or absl::StatusOr<T>; Work is R(Session&) and may throw.
template <class R, class Work>
R guarded(Session& session, Work& work) {
  try {
    return work(session);
  } catch (...) {
    return R(status_of_current_exception());
  }
}

template <class R, class Work>
base::Task<R> offload(Pool& pool, base::Strand& strand, Work work) {
  auto start = [&pool, work = std::move(work)](base::Completer<R> completer) mutable {
    auto job = [completer, work = std::move(work)](Session* session, const absl::Status& connected) mutable {
      completer.post(session == nullptr ? R(connected) : guarded<R>(*session, work));
    };
    if (!pool.enqueue(std::move(job))) {
      completer.complete(R(absl::ResourceExhaustedError("the queue to the database is full")));
    }
  };
  return base::suspend<R>(strand, std::move(start));
}

}  // namespace renderyard::postgres
