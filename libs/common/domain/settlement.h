// What an execution's news mean for its job: the dispatcher's decision, pure. Applied by DispatchStore::settle with
// fences.
#pragma once

#include <absl/time/time.h>

#include <string>
#include <string_view>

#include "libs/common/domain/states.h"

namespace renderyard::domain {

// A job whose prompt was not accepted this often (refused connections not counted) fails as submission_refused; the
// dispatcher's --submission-attempts changes it.
inline constexpr int kMostNotAccepted = 3;

struct ExecutionNews {
  ExecutionState state = ExecutionState::kRunning;
  std::string_view outcome_proof;
  std::string_view error_code;
  std::string_view error_message;
  int attempt = 1;
  int earlier_not_accepted = 0;  // of the same job, refused connections not counted
  int most_not_accepted = kMostNotAccepted;
  bool job_wants_cancel = false;
  JobStatus job_status = JobStatus::kPending;
};

struct SettleDecision {
  enum class Kind { kNothing, kStart, kComplete, kFail, kCancel, kRequeue };
  Kind kind = Kind::kNothing;
  std::string error_code;
  std::string error_message;
  std::string reason;         // kRequeue
  absl::Duration not_before;  // kRequeue
};

SettleDecision settle(const ExecutionNews& news);

// What became of a wish to cancel a job.
struct CancelResult {
  enum class Kind { kPending, kCancelled, kCompleted, kFailed };
  Kind kind = Kind::kPending;
  std::string error_code;  // kFailed
  std::string error_message;
};

// Of the job itself when it is final, else of what its execution's news (null when it has none) will make of it once it
// is settled: nobody has to wait for the dispatcher.
CancelResult cancel_result(JobStatus job, std::string_view error_code, std::string_view error_message,
                           const ExecutionNews* execution);

// How long a job whose instance refused the connection waits before it is claimed again: 0.25 s doubling to 30 s, by
// attempt (from 1). What a server answered, and still did not accept, waits by retry_delay().
absl::Duration requeue_delay(int attempt);

}  // namespace renderyard::domain
