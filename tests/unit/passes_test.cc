// What a thread that runs in passes promises: everything is done, at once while there is little, and stop() ends it.
#include "libs/common/runtime/passes.h"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace renderyard::runtime {
namespace {

namespace asio = boost::asio;

TEST(Passes, EverythingIsDoneInItsOrderUntilNothingIsLeft) {
  asio::io_context context;
  std::vector<int> done;
  for (int n = 0; n < 1000; ++n) {
    asio::post(context, [&done, n] { done.push_back(n); });
  }
  run_in_passes(context);
  ASSERT_EQ(done.size(), 1000u);
  for (int n = 0; n < 1000; ++n) EXPECT_EQ(done[static_cast<std::size_t>(n)], n);
}

TEST(Passes, StopEndsIt) {
  asio::io_context context;
  const auto work = asio::make_work_guard(context);
  asio::post(context, [&context] { context.stop(); });
  run_in_passes(context);
  EXPECT_TRUE(context.stopped());
}

TEST(Passes, WhatAHandlerThrowsComesOut) {
  asio::io_context context;
  asio::post(context, [] { throw std::runtime_error("thrown"); });
  EXPECT_THROW(run_in_passes(context), std::runtime_error);
}

// How long it takes until `count` things were done there, each sent a moment after the last one was seen done.
std::chrono::steady_clock::duration one_by_one(int count) {
  asio::io_context there;
  asio::io_context here;
  int left = count;
  const auto work = asio::make_work_guard(there);
  const auto more = asio::make_work_guard(here);
  asio::steady_timer moment(here);
  std::function<void()> send = [&] {
    asio::post(there, [&] {
      asio::post(here, [&] {
        if (--left == 0) return here.stop();
        moment.expires_after(kPass / 10);
        moment.async_wait([&](const boost::system::error_code&) { send(); });
      });
    });
  };
  std::thread other([&there] { run_in_passes(there); });
  const auto begun = std::chrono::steady_clock::now();
  send();
  here.run();
  const auto took = std::chrono::steady_clock::now() - begun;
  there.stop();
  other.join();
  return took;
}

TEST(Passes, AThreadThatIsWokenAgainAndAgainTakesItsTime) {
  // The first kBusyAfter at once, then each waits for the end of a pass; but for a machine that stops for a pass
  // itself.
  bool waited = false;
  for (int n = 0; n < 20 && !waited; ++n) waited = one_by_one(kBusyAfter + 101) >= 100 * kPass;
  EXPECT_TRUE(waited);
}

}  // namespace
}  // namespace renderyard::runtime
