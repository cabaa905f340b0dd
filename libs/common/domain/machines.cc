#include "libs/common/domain/machines.h"

#include <algorithm>

namespace renderyard::domain {

namespace {

using J = JobStatus;
using E = ExecutionState;

constexpr Edge<J> kJobEdges[] = {
    {J::kPending, J::kRunning, Owner::kDispatcher}, {J::kPending, J::kCancelled, Owner::kDispatcher},
    {J::kPending, J::kFailed, Owner::kDispatcher},  {J::kRunning, J::kCompleted, Owner::kDispatcher},
    {J::kRunning, J::kFailed, Owner::kDispatcher},  {J::kRunning, J::kCancelled, Owner::kDispatcher},
};

constexpr Edge<E> kExecutionEdges[] = {
    {E::kAssigned, E::kWithdrawn, Owner::kDispatcher},
    {E::kAssigned, E::kSubmitting, Owner::kBridge},
    // A prompt can be over before the answer to its POST is read, so submitting leads everywhere.
    {E::kSubmitting, E::kNotAccepted, Owner::kBridge},
    {E::kSubmitting, E::kQueued, Owner::kBridge},
    {E::kSubmitting, E::kRunning, Owner::kBridge},
    {E::kSubmitting, E::kCollecting, Owner::kBridge},
    {E::kSubmitting, E::kFailed, Owner::kBridge},
    {E::kSubmitting, E::kCancelled, Owner::kBridge},
    {E::kSubmitting, E::kLost, Owner::kBridge},
    {E::kQueued, E::kRunning, Owner::kBridge},
    {E::kQueued, E::kCollecting, Owner::kBridge},
    // Outputs that are copied within a moment: collecting is passed in the same transaction.
    {E::kQueued, E::kCompleted, Owner::kBridge},
    {E::kRunning, E::kCompleted, Owner::kBridge},
    {E::kQueued, E::kFailed, Owner::kBridge},
    {E::kQueued, E::kCancelled, Owner::kBridge},
    {E::kQueued, E::kLost, Owner::kBridge},
    {E::kRunning, E::kCollecting, Owner::kBridge},
    {E::kRunning, E::kFailed, Owner::kBridge},
    {E::kRunning, E::kCancelled, Owner::kBridge},
    {E::kRunning, E::kLost, Owner::kBridge},
    {E::kCollecting, E::kCompleted, Owner::kBridge},
    {E::kCollecting, E::kFailed, Owner::kBridge},
    // An execution that is given up. Its job is failed by the dispatcher, as after every end.
    {E::kAssigned, E::kWithdrawn, Owner::kOperator},
    {E::kSubmitting, E::kFailed, Owner::kOperator},
    {E::kQueued, E::kFailed, Owner::kOperator},
    {E::kRunning, E::kFailed, Owner::kOperator},
    {E::kCollecting, E::kFailed, Owner::kOperator},
};

template <class State>
bool listed(std::span<const Edge<State>> edges, State from, State to, Owner owner) {
  return std::any_of(edges.begin(), edges.end(), [&](const Edge<State>& edge) {
    return edge.from == from && edge.to == to && edge.owner == owner;
  });
}

}  // namespace

std::span<const Edge<JobStatus>> job_edges() {
  return kJobEdges;
}
std::span<const Edge<ExecutionState>> execution_edges() {
  return kExecutionEdges;
}

bool allowed(JobStatus from, JobStatus to, Owner owner) {
  return listed(job_edges(), from, to, owner);
}
bool allowed(ExecutionState from, ExecutionState to, Owner owner) {
  return listed(execution_edges(), from, to, owner);
}

}  // namespace renderyard::domain
