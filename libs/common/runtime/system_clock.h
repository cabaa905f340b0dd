// The production Clock: CLOCK_BOOTTIME, anchored to the wall clock when it was made; timers on one timerfd of that
// clock, so that time in which the machine slept counts for them too. Thread-safety: now() and wall() any thread, the
// rest on the strand.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <map>
#include <memory>
#include <utility>

#include "libs/common/base/clock.h"
#include "libs/common/base/strand.h"

namespace renderyard::runtime {

class SystemClock final : public base::Clock {
 public:
  explicit SystemClock(base::Strand& strand);
  ~SystemClock() override;
  SystemClock(const SystemClock&) = delete;
  SystemClock& operator=(const SystemClock&) = delete;

  absl::Time now() const override;
  absl::Time wall() const override;
  TimerId call_at(absl::Time when, absl::AnyInvocable<void()> callback) override;
  void cancel(TimerId id) override;
  base::Task<absl::Status> sleep_until(absl::Time when) override;

 private:
  struct Alive {};
  void arm();
  void wait();
  void fire();

  base::Strand& strand_;
  absl::Duration offset_;  // what to add to CLOCK_BOOTTIME
  boost::asio::posix::stream_descriptor timer_;
  std::map<std::pair<absl::Time, TimerId>, absl::AnyInvocable<void()>> callbacks_;
  std::map<TimerId, absl::Time> times_;
  TimerId next_id_ = 1;
  absl::Time armed_ = absl::InfiniteFuture();
  bool firing_ = false;
  std::shared_ptr<Alive> alive_ = std::make_shared<Alive>();
};

}  // namespace renderyard::runtime
