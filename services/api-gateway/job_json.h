// Jobs and outputs as the API shows them: the column names of the tables, times in RFC 3339 with milliseconds. Pure.
#pragma once

#include <string>
#include <vector>

#include "libs/common/ports/model.h"

namespace renderyard::gateway {

// Without parameters, result and outputs: one entry of a list or of a snapshot.
std::string job_summary(const ports::JobRow& job);
// Everything: parameters with the workflow exactly as it was sent, result, outputs.
std::string job_details(const ports::JobRow& job, const std::vector<ports::OutputRow>& outputs);
// A JSON array.
std::string output_list(const std::vector<ports::OutputRow>& outputs);
// A JSON array.
std::string job_list(const std::vector<ports::JobRow>& jobs);

}  // namespace renderyard::gateway
