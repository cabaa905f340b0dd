// How long to wait before trying again. Pure but for the Random it is given.
#pragma once

#include <absl/time/time.h>

#include "libs/common/base/random.h"

namespace renderyard::domain {

// The longest wait before the n-th reconnect in a row (n from 1): 1 2 4 8 16 30 30 … seconds.
absl::Duration reconnect_limit(int attempt);

// Full jitter: uniform in [0, reconnect_limit(attempt)), so that a fleet does not come back all at once.
absl::Duration reconnect_delay(int attempt, base::Random& random);

// Wait before a prompt that a server provably did not accept is sent for the n-th time more (n from 1): 1 2 4 8 16 16 …
// seconds (E1).
absl::Duration retry_delay(int attempt);

// The pause before attempt `attempt` (from 1) of a repeated call: 0.2 s doubling to 5 s, half of it random.
absl::Duration retry_pause(int attempt, base::Random& random);

}  // namespace renderyard::domain
