// World: the whole simulated machine park in one thread. It owns simulated time, decides from its seed which of the
// ready jobs runs next, and starts, stops (SIGSTOP) and kills (kill -9) processes between two steps.
//
// The same seed gives the same schedule: every choice comes from the world's own generators, all containers are
// ordered, and nothing depends on addresses or real time. Time moves only when no job is ready. Thread-safety: none;
// one world per thread.
#pragma once

#include <absl/functional/any_invocable.h>
#include <absl/time/time.h>

#include <boost/asio/execution_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/common/base/clock.h"
#include "libs/common/base/random.h"
#include "libs/common/testing/sim/trace.h"

namespace renderyard::testing::sim {

class Process;

using Job = absl::AnyInvocable<void()>;
using TimerId = base::Clock::TimerId;

class World final : public boost::asio::execution_context {
 public:
  explicit World(std::uint64_t seed);
  // Kills every process first.
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  std::uint64_t seed() const { return seed_; }
  absl::Time now() const { return now_; }
  absl::Duration elapsed() const { return now_ - begin_; }
  absl::Time begin() const { return begin_; }
  std::uint64_t steps() const { return steps_; }

  // For what the outside does (network, faults); the schedule has a generator of its own.
  base::Random& random() { return random_; }
  // An own generator, derived from the seed and `label`, so that draws in one place do not shift those in another.
  std::unique_ptr<base::Random> fork(std::string_view label) const;

  Trace& trace() { return trace_; }
  // A line of the outside ("world", "comfy-1", "network").
  void note(std::string_view who, std::string_view text) { trace_.line(elapsed(), who, text); }

  // Called before every visible effect of a process (a write to a store, a request, a call); false: it does not happen,
  // and its caller hears nothing.
  using EffectWatch = std::function<bool(const Process&, std::string_view name)>;
  void watch_effects(EffectWatch watch) { effect_watch_ = std::move(watch); }
  bool effect(const Process& process, std::string_view name) { return !effect_watch_ || effect_watch_(process, name); }

  // A new process; it lives in the world until the world ends (its shell does, even after kill()).
  Process& start(std::string name);
  // Destroys everything the process holds, at whatever await its coroutines stand. Not from within a job of a process:
  // from a timer of the world or between two steps.
  void kill(Process& process);
  // SIGSTOP: its ready jobs and its timers are held until resume().
  void stop(Process& process);
  void resume(Process& process);
  const std::vector<std::unique_ptr<Process>>& processes() const { return processes_; }

  // Runs `job` at `when` outside of any process: the network, a server, a fault. Equal times in order of creation.
  TimerId at(absl::Time when, Job job);
  TimerId after(absl::Duration delay, Job job) { return at(now_ + delay, std::move(job)); }
  void cancel(TimerId id);

  // One job or one timer; false when nothing is left.
  bool step();
  // Steps until `done` says so (asked after every step), `limit` is reached or nothing is left; whether `done` was
  // true.
  bool run_until(const std::function<bool()>& done, absl::Time limit);
  // All steps up to and at `until`; time is `until` afterwards.
  void run_to(absl::Time until);
  // Nothing can happen before this time; InfiniteFuture when nothing will.
  absl::Time next_at() const;

  // The process whose job runs now; null between jobs and in the world's own timers.
  const Process* running() const { return running_; }

  // For Process.
  void push(Process& process, Job job);
  TimerId process_timer(Process& process, absl::Time when, Job job);
  void cancel_process_timer(Process& process, TimerId id);

 private:
  struct Ready {
    Process* process;
    std::uint64_t seq;
    Job job;
  };
  struct Timer {
    Process* process;  // null: the world's own
    Job job;
  };
  using TimerKey = std::pair<absl::Time, TimerId>;

  void fire(TimerKey key);
  void run(Process& process, Job& job);

  std::uint64_t seed_;
  absl::Time begin_;
  absl::Time now_;
  base::SplitMix schedule_;
  base::SplitMix random_;
  Trace trace_;
  std::uint64_t next_seq_ = 1;
  std::uint64_t steps_ = 0;
  Process* running_ = nullptr;
  EffectWatch effect_watch_;
  std::vector<Ready> ready_;
  std::map<TimerKey, Timer> timers_;
  std::map<TimerId, absl::Time> world_timers_;
  std::vector<std::unique_ptr<Process>> processes_;
};

}  // namespace renderyard::testing::sim
