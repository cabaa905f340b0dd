// A real io_context with strand and clock, for tests of adapters: runs one task to its end on the calling thread.
#pragma once

#include <absl/status/status.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/base/group.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/mutex.h"
#include "libs/common/base/strand.h"
#include "libs/common/runtime/system_clock.h"

namespace renderyard::test {

// Remembers the names of events.
class EventNames final : public base::Journal {
 public:
  void record(base::Severity, std::string_view event, std::initializer_list<base::Field>) override {
    base::MutexLock lock(mutex_);
    names_.emplace_back(event);
  }
  std::vector<std::string> names() const {
    base::MutexLock lock(mutex_);
    return names_;
  }

 private:
  mutable base::Mutex mutex_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
};

class RealLoop {
 public:
  RealLoop() : work_(io_.get_executor()), strand_(io_.get_executor()), clock_(strand_) {}
  ~RealLoop() { strand_.drop_all(); }
  RealLoop(const RealLoop&) = delete;
  RealLoop& operator=(const RealLoop&) = delete;

  boost::asio::io_context& io() { return io_; }
  base::Strand& strand() { return strand_; }
  runtime::SystemClock& clock() { return clock_; }
  EventNames& journal() { return journal_; }

  // The task's status; a test that hangs is ended after `limit` with DEADLINE_EXCEEDED.
  absl::Status run(base::Task<absl::Status> task, absl::Duration limit = absl::Seconds(20)) {
    std::optional<absl::Status> result;
    io_.restart();
    base::spawn_root(strand_, base::with_deadline(strand_, clock_, std::move(task), clock_.now() + limit),
                     [this, &result](absl::Status status) {
                       result = std::move(status);
                       io_.stop();
                     });
    io_.run();
    return result.value_or(absl::InternalError("the loop ended before the task"));
  }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  base::Strand strand_;
  runtime::SystemClock clock_;
  EventNames journal_;
};

}  // namespace renderyard::test
