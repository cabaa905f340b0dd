// Job bodies made from what a person gives on the command line: a workflow in API format, or a whole job body. Pure;
// texts are cut and spliced, never re-written, so that seeds beyond 2^53 and the order of keys stay as they are in the
// file.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace renderyard::cli {

struct JobOptions {
  std::optional<std::string> job_type;
  std::optional<int> priority;
  std::optional<std::string> name;
  std::optional<std::uint64_t> seed;
  int jobs = 1;
};

struct JobBodies {
  std::vector<std::string> bodies;  // one per job
  int seed_inputs = 0;              // how many inputs were varied in each
};

// The bodies to submit. With more than one job, or a seed, every integer input named `seed` or `noise_seed` becomes
// (the given seed, else its own value) + number of the job. INVALID_ARGUMENT: the file is not JSON.
absl::StatusOr<JobBodies> make_job_bodies(std::string_view file, const JobOptions& options);

}  // namespace renderyard::cli
