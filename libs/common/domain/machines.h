// The state machines of jobs and executions as data: every legal edge and the one service that may walk it (and, where
// an operator may end an execution by hand, the operator). Everything
// that moves a state asks here; the migrations' CHECKs and the stores are tested against these tables.
#pragma once

#include <span>

#include "libs/common/domain/states.h"

namespace renderyard::domain {

// kOperator: a person, by OperatorService, where no service can go on by itself.
enum class Owner { kGateway, kDispatcher, kBridge, kOperator };

template <class State>
struct Edge {
  State from;
  State to;
  Owner owner;
};

// A job is born pending by the gateway. A claimed job stays pending until its execution starts. No edge leads to
// retrying: jobs are never retried silently, a person's retry is a new job.
std::span<const Edge<JobStatus>> job_edges();
// An execution is born assigned by the dispatcher's claim.
std::span<const Edge<ExecutionState>> execution_edges();

bool allowed(JobStatus from, JobStatus to, Owner owner);
bool allowed(ExecutionState from, ExecutionState to, Owner owner);

}  // namespace renderyard::domain
