#include "services/bridge/state_publisher.h"

#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/backoff.h"

namespace renderyard::bridge {

void StatePublisher::publish(ports::InstanceState state) {
  const base::InstanceId id = state.id;
  waiting_.insert_or_assign(id, std::move(state));
  changed_.notify();
}

base::Task<absl::Status> StatePublisher::written(base::InstanceId instance) {
  while (waiting_.contains(instance) || in_flight_.contains(instance)) {
    const absl::Time never = absl::InfiniteFuture();
    CO_RETURN_IF_ERROR(co_await idle_.wait_until(never));
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> StatePublisher::run() {
  for (int attempt = 1;;) {
    if (waiting_.empty()) {
      const absl::Time never = absl::InfiniteFuture();
      CO_RETURN_IF_ERROR(co_await changed_.wait_until(never));
      continue;
    }
    in_flight_ = std::exchange(waiting_, {});
    std::vector<ports::InstanceState> batch;
    batch.reserve(in_flight_.size());
    for (const auto& [id, state] : in_flight_) batch.push_back(state);
    const auto ours = co_await deps_.executions.set_instance_states(std::move(batch));
    if (absl::IsCancelled(ours.status())) co_return ours.status();
    if (!ours.ok()) waiting_.merge(in_flight_);  // not over what came meanwhile
    in_flight_.clear();
    idle_.notify();
    if (ours.ok()) {
      attempt = 1;
      deps_.hints.send(ports::Topic::kInstances);
      continue;
    }
    const absl::Duration pause = domain::retry_pause(attempt++, deps_.random);
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
  }
}

}  // namespace renderyard::bridge
