// Process: everything one simulated process holds. Its coroutines wait in its strand's table, its timers in its clock,
// its service objects in own(); World::kill() destroys all of it at once, at any await, without running a line of its
// code but destructors. A restart is a new Process. The shell stays until the world ends, because executors point at
// it.
#pragma once

#include <absl/status/status.h>

#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/context.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/common/base/clock.h"
#include "libs/common/base/journal.h"
#include "libs/common/base/random.h"
#include "libs/common/base/strand.h"
#include "libs/common/base/task.h"
#include "libs/common/testing/sim/world.h"

namespace renderyard::testing::sim {

// What boost::asio::any_io_executor holds for a simulated process. Jobs for a dead process are destroyed, never run.
class Executor {
 public:
  explicit Executor(Process& process) : process_(&process) {}
  friend bool operator==(const Executor& a, const Executor& b) noexcept {
    return a.process_ == b.process_ && a.inline_ == b.inline_;
  }
  friend bool operator!=(const Executor& a, const Executor& b) noexcept { return !(a == b); }

  boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept;
  // Like a strand's: a function that is not posted runs at once when a job of the same process is running. (Asio relies
  // on it: the cancellation of a co_spawned coroutine is dispatched with a plain pointer.)
  boost::asio::execution::blocking_t query(boost::asio::execution::blocking_t) const noexcept {
    if (inline_) return boost::asio::execution::blocking.possibly;
    return boost::asio::execution::blocking.never;
  }
  Executor require(boost::asio::execution::blocking_t::never_t) const noexcept { return Executor(process_, false); }
  Executor require(boost::asio::execution::blocking_t::possibly_t) const noexcept { return Executor(process_, true); }

  template <class F>
  void execute(F&& f) const {
    if (inline_ && running()) {
      auto function = std::forward<F>(f);
      function();
    } else {
      push(Job(std::forward<F>(f)));
    }
  }

 private:
  Executor(Process* process, bool possibly) : process_(process), inline_(possibly) {}
  bool running() const;
  void push(Job job) const;
  Process* process_;
  bool inline_ = true;
};

// Time of the world, timers of the process.
class SimClock final : public base::Clock {
 public:
  explicit SimClock(Process& process) : process_(process) {}
  absl::Time now() const override;
  absl::Time wall() const override;
  TimerId call_at(absl::Time when, absl::AnyInvocable<void()> callback) override;
  void cancel(TimerId id) override;
  base::Task<absl::Status> sleep_until(absl::Time when) override;

 private:
  Process& process_;
};

// Writes into the world's trace.
class SimJournal final : public base::Journal {
 public:
  explicit SimJournal(Process& process) : process_(process) {}
  void record(base::Severity severity, std::string_view event, std::initializer_list<base::Field> fields) override;

 private:
  Process& process_;
};

class Process {
 public:
  Process(World& world, std::string name, int id);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  World& world() { return world_; }
  const std::string& name() const { return name_; }
  int id() const { return id_; }
  bool alive() const { return alive_; }
  bool stopped() const { return stopped_; }

  base::Strand& strand() { return strand_; }
  base::Clock& clock() { return clock_; }
  base::Random& random() { return *random_; }
  base::Journal& journal() { return journal_; }

  // A root coroutine. When it ends while the process lives, `ended` is called (on the process) with its status.
  void spawn(base::Task<absl::Status> task, absl::AnyInvocable<void(absl::Status)> ended = {});

  // Keeps an object of the process; destroyed at death after all coroutines, the last one first.
  template <class T>
  T& own(std::shared_ptr<T> object) {
    T& reference = *object;
    owned_.push_back(std::move(object));
    return reference;
  }
  template <class T, class... Args>
  T& make(Args&&... args) {
    return own(std::make_shared<T>(std::forward<Args>(args)...));
  }

  // For the outside (a peer's kernel notices that the connection is gone): runs outside of any process, right after the
  // process has died.
  void at_death(Job job) { at_death_.push_back(std::move(job)); }

  // Something arrives from outside: runs as a job of the process, when it is alive (held while it is stopped).
  void deliver(Job job) { world_.push(*this, std::move(job)); }

 private:
  friend class World;

  World& world_;
  std::string name_;
  int id_;
  bool alive_ = true;
  bool stopped_ = false;
  base::Strand strand_;
  SimClock clock_;
  std::unique_ptr<base::Random> random_;
  SimJournal journal_;
  std::map<TimerId, absl::Time> timers_;             // where each stands in the world's table
  std::map<TimerId, Job> overdue_;                   // fell due while stopped
  std::vector<std::pair<std::uint64_t, Job>> held_;  // became ready while stopped
  std::vector<std::shared_ptr<void>> owned_;
  std::vector<Job> at_death_;
};

}  // namespace renderyard::testing::sim
