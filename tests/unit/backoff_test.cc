#include "libs/common/domain/backoff.h"

#include <gtest/gtest.h>

namespace renderyard::domain {
namespace {

TEST(Backoff, ReconnectLimitsDoubleUpToThirtySeconds) {
  const int expected[] = {1, 2, 4, 8, 16, 30, 30, 30};
  for (int attempt = 1; attempt <= 8; ++attempt) {
    EXPECT_EQ(reconnect_limit(attempt), absl::Seconds(expected[attempt - 1])) << attempt;
  }
  EXPECT_EQ(reconnect_limit(1000000), absl::Seconds(30));
  EXPECT_EQ(reconnect_limit(0), absl::Seconds(1));
  EXPECT_EQ(reconnect_limit(-5), absl::Seconds(1));
}

TEST(Backoff, JitterIsFullAndReproducible) {
  base::SplitMix random(7);
  base::SplitMix same(7);
  absl::Duration least = absl::InfiniteDuration();
  absl::Duration most;
  for (int i = 0; i < 2000; ++i) {
    const auto delay = reconnect_delay(4, random);
    EXPECT_EQ(delay, reconnect_delay(4, same));
    EXPECT_GE(delay, absl::ZeroDuration());
    EXPECT_LT(delay, absl::Seconds(8));
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_LT(least, absl::Seconds(0.5));
  EXPECT_GT(most, absl::Seconds(7.5));
}

TEST(Backoff, RetriesOfACallWaitOneToSixteenSeconds) {
  const int expected[] = {1, 2, 4, 8, 16, 16};
  for (int attempt = 1; attempt <= 6; ++attempt) {
    EXPECT_EQ(retry_delay(attempt), absl::Seconds(expected[attempt - 1])) << attempt;
  }
}

}  // namespace
}  // namespace renderyard::domain
