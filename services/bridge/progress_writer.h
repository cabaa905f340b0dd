// Writes the progress of all executions to the database in batches: the first at once, then what came within the
// interval. Only the latest of an execution is written; what cannot be written now stays for the next batch, so that
// the database comes to say what is. Bounded by the number of live executions. Thread-safety: on the strand.
#pragma once

#include <absl/status/status.h>

#include <map>
#include <optional>

#include "libs/common/base/event.h"
#include "services/bridge/deps.h"

namespace renderyard::bridge {

class ProgressWriter {
 public:
  // Both outlive the writer.
  ProgressWriter(Deps& deps, const Config& config) : deps_(deps), config_(config), changed_(deps.strand, deps.clock) {}

  // By the local clock: heard_at: when a message of it was last heard, in the infinite past when none was;
  // silent_since: it is called silent since then.
  void write(ports::ProgressWrite progress, absl::Time heard_at, std::optional<absl::Time> silent_since);
  // The execution is over: its row needs no progress any more.
  void forget(base::ExecutionId execution) { waiting_.erase(execution); }
  // Until cancelled.
  base::Task<absl::Status> run();

 private:
  Deps& deps_;
  const Config& config_;
  struct Waiting {
    ports::ProgressWrite progress;
    absl::Time heard_at;
    std::optional<absl::Time> silent_since;
  };
  std::map<base::ExecutionId, Waiting> waiting_;
  base::Event changed_;
};

}  // namespace renderyard::bridge
