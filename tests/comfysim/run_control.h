// How the rest of the server reaches into the running prompt.
#ifndef RENDERYARD_TESTS_COMFYSIM_RUN_CONTROL_H_
#define RENDERYARD_TESTS_COMFYSIM_RUN_CONTROL_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "tests/comfysim/messages.h"

namespace comfysim {

// Who asked for an interrupt; goes into the ledger.
struct Interrupter {
  std::string by;         // "POST /interrupt", ...
  bool targeted = false;  // it named the prompt
  std::string user_agent;
};

// One global interrupt flag, as ComfyUI has, the life of the current run, and what a newly connected socket is told of
// it. Thread-safe.
class RunControl {
 public:
  void interrupt(Interrupter who) {
    const std::lock_guard lock(mutex_);
    interrupted_ = std::move(who);
  }
  void clear_interrupt() {
    const std::lock_guard lock(mutex_);
    interrupted_.reset();
  }
  // Reads and clears the flag.
  std::optional<Interrupter> take_interrupt() {
    const std::lock_guard lock(mutex_);
    return std::exchange(interrupted_, std::nullopt);
  }

  // Number of the present life; `end_life` ends all runs of it silently and wakes sleeping nodes.
  std::uint64_t life() const {
    const std::lock_guard lock(mutex_);
    return life_;
  }
  void end_life() {
    const std::lock_guard lock(mutex_);
    ++life_;
    worker_dead_ = false;
    changed_.notify_all();
  }
  // From now on no node goes on and no prompt ends, until the next life.
  void kill_worker() {
    const std::lock_guard lock(mutex_);
    worker_dead_ = true;
    changed_.notify_all();
  }
  // Whether runs of `life` have to stop where they are.
  bool is_over(std::uint64_t life) const {
    const std::lock_guard lock(mutex_);
    return life_ != life || worker_dead_;
  }
  // Waits, as a dead worker does, until `life` is over; returns at once when the worker is alive.
  void rest_in_peace(std::uint64_t life) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return life_ != life || !worker_dead_; });
  }
  // Sleeps; false at once when `life` is over.
  bool sleep(std::uint64_t life, std::chrono::microseconds duration) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, duration, [&] { return life_ != life || worker_dead_; });
  }

  // server.client_id and server.last_node_id of ComfyUI: whose prompt ran last and which node is running.
  void set_client(Sid client) {
    const std::lock_guard lock(mutex_);
    client_ = std::move(client);
  }
  void set_node(std::optional<std::string> node) {
    const std::lock_guard lock(mutex_);
    node_ = std::move(node);
  }
  // The running node, when the prompt of that client is running.
  std::optional<std::string> node_of(const std::string& client) const {
    const std::lock_guard lock(mutex_);
    return client_ == client ? node_ : std::nullopt;
  }

  // POST /free free_memory: the worker drops its cache before the next prompt.
  void ask_to_free() {
    const std::lock_guard lock(mutex_);
    free_ = true;
  }
  bool take_free() {
    const std::lock_guard lock(mutex_);
    return std::exchange(free_, false);
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Interrupter> interrupted_;
  bool free_ = false;
  bool worker_dead_ = false;
  std::uint64_t life_ = 0;
  Sid client_;
  std::optional<std::string> node_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_RUN_CONTROL_H_
