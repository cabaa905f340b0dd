// The progress cache in memory: a FakeRedis shared by the world, a FakeProgressCache per process. Redis may be away,
// lose everything, or lie: tests write what they like into entries().
#pragma once

#include <absl/time/time.h>

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "libs/common/base/strand.h"
#include "libs/common/ports/progress_cache.h"
#include "libs/common/testing/database_link.h"

namespace renderyard::testing {

class FakeRedis {
 public:
  struct Entry {
    ports::CachedProgress value;
    absl::Time expires_at;
  };

  explicit FakeRedis(std::function<absl::Time()> clock) : clock_(std::move(clock)) {}

  void set_away(bool away) { away_ = away; }
  bool away() const { return away_; }
  std::map<std::string, Entry>& entries() { return entries_; }  // by prompt id
  absl::Time now() const { return clock_(); }

 private:
  std::function<absl::Time()> clock_;
  bool away_ = false;
  std::map<std::string, Entry> entries_;
};

class FakeProgressCache final : public ports::ProgressCache {
 public:
  // All must outlive it. Writes take effect at once or are dropped; only load() goes over the link.
  FakeProgressCache(base::Strand& strand, FakeRedis& redis, DatabaseLink& link)
      : strand_(strand), redis_(redis), link_(link) {}

  void save(ports::CachedProgress progress) override;
  void erase(std::string prompt_id) override;
  base::Task<absl::StatusOr<std::optional<ports::CachedProgress>>> load(std::string prompt_id) override;

 private:
  base::Strand& strand_;
  FakeRedis& redis_;
  DatabaseLink& link_;
};

}  // namespace renderyard::testing
