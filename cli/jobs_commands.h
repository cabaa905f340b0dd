// The commands about jobs. Each prints its result on standard output, errors on standard error, and gives the exit
// code: 0 done (submit --watch: every job completed), 1 not.
#pragma once

#include <optional>
#include <string>

#include "cli/job_body.h"

namespace renderyard::cli {

struct Connection {
  std::string gateway = "http://127.0.0.1:8080";
  std::string token_file;
};

struct SubmitCommand {
  std::string file;  // "-" is standard input
  JobOptions job;
  std::optional<std::string> idempotency_key;
  bool watch = false;
  bool json = false;
  std::string out;  // directory for outputs; empty = none
};

int submit(const Connection& connection, const SubmitCommand& command);
int show_job(const Connection& connection, const std::string& job);
int list_jobs(const Connection& connection, const std::string& status, int limit, bool json);
int cancel_job(const Connection& connection, const std::string& job);
int save_outputs(const Connection& connection, const std::string& job, const std::string& directory);

}  // namespace renderyard::cli
