// Puts the pictures of an execution that come only over its socket into the artifact store, while they come and at the
// latest before its row says that the prompt has ended: from then on another process can finish the work.
// Thread-safety: on the strand. The context outlives it.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <map>
#include <string>
#include <vector>

#include "libs/common/domain/socket_pictures.h"
#include "services/bridge/execution_context.h"

namespace renderyard::bridge {

class PictureKeeper {
 public:
  explicit PictureKeeper(ExecutionContext& context) : context_(context) {}

  // When keep() has something to do; infinite future when nothing waits.
  absl::Time due() const;
  // Stores what waits, as far as the store takes it; the rest is tried again at due(). CANCELLED.
  base::Task<absl::Status> keep();
  // Until nothing waits any more: the store full or away is waited for, the pictures exist nowhere else. CANCELLED.
  base::Task<absl::Status> keep_all();

  // The outputs with everything that was kept.
  std::string outputs_with(std::string_view outputs_json) const;

 private:
  base::Task<absl::Status> keep_one();
  base::Task<absl::StatusOr<ports::StoredBlob>> store(std::string png);

  ExecutionContext& context_;
  std::vector<domain::KeptPicture> kept_;
  std::map<std::string, int> numbers_;  // pictures so far, by node
  absl::Time next_try_ = absl::InfinitePast();
  int failures_ = 0;
};

}  // namespace renderyard::bridge
