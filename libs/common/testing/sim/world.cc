#include "libs/common/testing/sim/world.h"

#include <algorithm>
#include <utility>

#include "libs/common/testing/sim/process.h"

namespace renderyard::testing::sim {

namespace {

constexpr std::uint64_t kScheduleLabel = 0x5c4ed01e5c4ed01eULL;
constexpr std::uint64_t kOutsideLabel = 0x0075de0075de0075ULL;

std::uint64_t label_hash(std::string_view label) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : label) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

std::uint64_t derive(std::uint64_t seed, std::uint64_t label) {
  base::SplitMix mix(seed ^ label);
  mix.next();
  return mix.next();
}

}  // namespace

World::World(std::uint64_t seed)
    : seed_(seed),
      begin_(absl::FromUnixSeconds(1'800'000'000)),
      now_(begin_),
      schedule_(derive(seed, kScheduleLabel)),
      random_(derive(seed, kOutsideLabel)) {}

World::~World() {
  for (auto& process : processes_) kill(*process);
  // Pending effects of the outside may hold results that refer to processes; they go before the shells.
  timers_.clear();
  ready_.clear();
  processes_.clear();
}

std::unique_ptr<base::Random> World::fork(std::string_view label) const {
  return std::make_unique<base::SplitMix>(derive(seed_, label_hash(label)));
}

Process& World::start(std::string name) {
  processes_.push_back(std::make_unique<Process>(*this, std::move(name), static_cast<int>(processes_.size()) + 1));
  return *processes_.back();
}

void World::kill(Process& process) {
  if (!process.alive_) return;
  process.alive_ = false;
  process.stopped_ = false;
  // Everything is taken out before anything is destroyed: destructors may cancel timers or end streams.
  std::vector<Job> doomed;
  std::vector<Ready> rest;
  rest.reserve(ready_.size());
  for (Ready& ready : ready_) {
    if (ready.process == &process) {
      doomed.push_back(std::move(ready.job));
    } else {
      rest.push_back(std::move(ready));
    }
  }
  ready_ = std::move(rest);
  for (auto& [seq, job] : std::exchange(process.held_, {})) doomed.push_back(std::move(job));
  for (auto& [id, job] : std::exchange(process.overdue_, {})) doomed.push_back(std::move(job));
  for (const auto& [id, when] : std::exchange(process.timers_, {})) {
    if (auto node = timers_.extract({when, id}); !node.empty()) doomed.push_back(std::move(node.mapped().job));
  }
  for (Job& job : doomed) job = nullptr;
  process.strand_.drop_all();
  while (!process.owned_.empty()) process.owned_.pop_back();
  for (Job& job : std::exchange(process.at_death_, {})) job();
}

void World::stop(Process& process) {
  if (!process.alive_ || process.stopped_) return;
  process.stopped_ = true;
  std::vector<Ready> rest;
  rest.reserve(ready_.size());
  for (Ready& ready : ready_) {
    if (ready.process == &process) {
      process.held_.emplace_back(ready.seq, std::move(ready.job));
    } else {
      rest.push_back(std::move(ready));
    }
  }
  ready_ = std::move(rest);
}

void World::resume(Process& process) {
  if (!process.alive_ || !process.stopped_) return;
  process.stopped_ = false;
  for (auto& [seq, job] : std::exchange(process.held_, {})) ready_.push_back({&process, seq, std::move(job)});
}

TimerId World::at(absl::Time when, Job job) {
  const TimerId id = next_seq_++;
  timers_.emplace(TimerKey{std::max(when, now_), id}, Timer{nullptr, std::move(job)});
  world_timers_.emplace(id, std::max(when, now_));
  return id;
}

void World::cancel(TimerId id) {
  auto it = world_timers_.find(id);
  if (it == world_timers_.end()) return;
  auto node = timers_.extract({it->second, id});
  world_timers_.erase(it);
}

void World::push(Process& process, Job job) {
  if (!process.alive_) return;  // destroyed, never run
  const std::uint64_t seq = next_seq_++;
  if (process.stopped_) {
    process.held_.emplace_back(seq, std::move(job));
  } else {
    ready_.push_back({&process, seq, std::move(job)});
  }
}

TimerId World::process_timer(Process& process, absl::Time when, Job job) {
  const TimerId id = next_seq_++;
  if (!process.alive_ || when == absl::InfiniteFuture()) return id;
  when = std::max(when, now_);
  process.timers_.emplace(id, when);
  timers_.emplace(TimerKey{when, id}, Timer{&process, std::move(job)});
  return id;
}

void World::cancel_process_timer(Process& process, TimerId id) {
  auto overdue = process.overdue_.extract(id);
  auto it = process.timers_.find(id);
  if (it == process.timers_.end()) return;
  auto node = timers_.extract({it->second, id});
  process.timers_.erase(it);
}

void World::fire(TimerKey key) {
  auto node = timers_.extract(key);
  Timer& timer = node.mapped();
  now_ = key.first;
  Process* process = timer.process;
  trace_.mix(now_, process != nullptr ? process->id() : 0, key.second);
  if (process == nullptr) {
    world_timers_.erase(key.second);
    timer.job();
    return;
  }
  process->timers_.erase(key.second);
  if (!process->stopped_) {
    run(*process, timer.job);
    return;
  }
  const TimerId id = key.second;
  process->overdue_.emplace(id, std::move(timer.job));
  push(*process, [process, id] {
    auto overdue = process->overdue_.extract(id);
    if (!overdue.empty()) overdue.mapped()();
  });
}

void World::run(Process& process, Job& job) {
  running_ = &process;
  job();
  running_ = nullptr;
}

bool World::step() {
  if (ready_.empty()) {
    if (timers_.empty()) return false;
    ++steps_;
    fire(timers_.begin()->first);
    return true;
  }
  ++steps_;
  const std::size_t index = schedule_.below(ready_.size());
  Ready ready = std::move(ready_[index]);
  if (index + 1 != ready_.size()) ready_[index] = std::move(ready_.back());
  ready_.pop_back();
  trace_.mix(now_, ready.process->id(), ready.seq);
  run(*ready.process, ready.job);
  return true;
}

absl::Time World::next_at() const {
  if (!ready_.empty()) return now_;
  return timers_.empty() ? absl::InfiniteFuture() : timers_.begin()->first.first;
}

bool World::run_until(const std::function<bool()>& done, absl::Time limit) {
  while (!done()) {
    if (next_at() > limit || !step()) return false;
  }
  return true;
}

void World::run_to(absl::Time until) {
  while (next_at() <= until && step()) {
  }
  now_ = std::max(now_, until);
}

}  // namespace renderyard::testing::sim
