#include "libs/common/testing/fake_progress_cache.h"

#include <utility>

#include "libs/common/testing/plain_call.h"

namespace renderyard::testing {

namespace {
constexpr absl::Duration kTtl = absl::Seconds(7200);  // requirement P1
}  // namespace

void FakeProgressCache::save(ports::CachedProgress progress) {
  if (redis_.away()) return;
  FakeRedis::Entry& entry = redis_.entries()[progress.prompt_id];
  entry.value = std::move(progress);
  entry.expires_at = redis_.now() + kTtl;
}

void FakeProgressCache::erase(std::string prompt_id) {
  if (!redis_.away()) redis_.entries().erase(prompt_id);
}

base::Task<absl::StatusOr<std::optional<ports::CachedProgress>>> FakeProgressCache::load(std::string prompt_id) {
  using Result = absl::StatusOr<std::optional<ports::CachedProgress>>;
  return plain_call<Result>(strand_, link_, "progress_load", false,
                            [&redis = redis_, prompt_id = std::move(prompt_id)]() -> Result {
                              if (redis.away()) return absl::UnavailableError("redis is away");
                              const auto found = redis.entries().find(prompt_id);
                              if (found == redis.entries().end() || found->second.expires_at <= redis.now()) {
                                return std::nullopt;
                              }
                              return found->second.value;
                            });
}

}  // namespace renderyard::testing
