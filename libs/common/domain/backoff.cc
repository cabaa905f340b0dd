#include "libs/common/domain/backoff.h"

#include <algorithm>

namespace renderyard::domain {

namespace {

// 1 2 4 8 16 32 … seconds, at most `limit`.
absl::Duration doubling(int attempt, absl::Duration limit) {
  const int doublings = std::clamp(attempt - 1, 0, 10);
  return std::min(absl::Seconds(1 << doublings), limit);
}

}  // namespace

absl::Duration reconnect_limit(int attempt) {
  return doubling(attempt, absl::Seconds(30));
}

absl::Duration reconnect_delay(int attempt, base::Random& random) {
  return random.jitter(reconnect_limit(attempt));
}

absl::Duration retry_delay(int attempt) {
  return doubling(attempt, absl::Seconds(16));
}

absl::Duration retry_pause(int attempt, base::Random& random) {
  const absl::Duration full = std::min(absl::Milliseconds(200) * (1 << std::min(attempt - 1, 5)), absl::Seconds(5));
  return full / 2 + random.jitter(full / 2);
}

}  // namespace renderyard::domain
