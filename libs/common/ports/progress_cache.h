// Fresher progress of live executions, beside the database (Redis). Optional: nothing it says or fails to say decides
// anything. Keys as in requirement P1. Adapter: adapters/redis; fake: testing/fake_progress_cache.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/task.h"
#include "libs/common/ports/model.h"

namespace renderyard::ports {

struct CachedProgress {
  std::string prompt_id;
  std::string job_type;
  UserId user_id;
  std::string character_id;  // of the job's metadata, may be empty
  std::string status;
  int progress = 0;
  std::string started_at;  // RFC 3339, may be empty
  std::string client_id;
  ExecutionId execution_id;  // these three must agree with the reader's, else the value is ignored
  Epoch owner_epoch;
  std::string cluster_epoch;
};

class ProgressCache {
 public:
  virtual ~ProgressCache() = default;
  // Fire and forget: renews the TTL (7200 s). Never blocks; dropped when Redis is away.
  virtual void save(CachedProgress progress) = 0;
  virtual void erase(std::string prompt_id) = 0;
  virtual base::Task<absl::StatusOr<std::optional<CachedProgress>>> load(std::string prompt_id) = 0;
};

}  // namespace renderyard::ports
