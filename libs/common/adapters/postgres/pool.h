// Pool: a bounded number of threads, each with a connection of its own, and a bounded queue in front. libpqxx blocks,
// so nothing of it ever runs on a strand.
//
// Full queue: refused at once (RESOURCE_EXHAUSTED). No connection: UNAVAILABLE at once after a failed attempt, which is
// repeated at most every 200 ms per thread. Every statement ends by statement_timeout.
// Thread-safety: any thread.
#pragma once

#include <absl/base/thread_annotations.h>
#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "libs/common/adapters/postgres/conninfo.h"
#include "libs/common/base/mutex.h"

namespace renderyard::postgres {

class Session;

struct PoolOptions {
  SessionOptions session;
  int threads = 4;
  std::size_t queue_limit = 1024;
};

class Pool {
 public:
  // `session` is null when there is no connection; `connected` says why.
  using Job = absl::AnyInvocable<void(Session* session, const absl::Status& connected)>;

  explicit Pool(PoolOptions options);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  // False when the queue is full or the pool has stopped; the job is not run then.
  bool enqueue(Job job);
  // Refuses new jobs, lets running ones end (bounded by statement_timeout), answers queued ones with UNAVAILABLE,
  // joins.
  void stop();

 private:
  void work();

  const PoolOptions options_;
  base::Mutex mutex_;
  base::CondVar wake_;
  std::deque<Job> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace renderyard::postgres
