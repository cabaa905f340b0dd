#include "services/bridge/bridge.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/common/base/status_macros.h"

namespace renderyard::bridge {

using ports::Topic;

Bridge::Bridge(Deps deps, Config config)
    : deps_(deps),
      config_(std::move(config)),
      outlets_(deps_, config_),
      leases_(deps.strand, deps.clock),
      news_(deps.strand, deps.clock),
      rows_(deps.strand, deps.clock),
      group_(deps.strand) {}

Bridge::~Bridge() = default;

base::Task<absl::Status> Bridge::run() {
  deps_.hints.listen(Topic::kAssigned, [this] { news_.notify(); });
  deps_.hints.listen(Topic::kInstances, [this] {
    rows_.notify();
    leases_.notify();
  });
  group_.spawn(lease_loop());
  group_.spawn(rows_loop());
  group_.spawn(news_loop());
  group_.spawn(outlive_loop());
  group_.spawn(outlets_.progress.run());
  group_.spawn(outlets_.states.run());
  const absl::Status status = co_await group_.join();
  deps_.hints.listen(Topic::kAssigned, nullptr);
  deps_.hints.listen(Topic::kInstances, nullptr);
  if (absl::IsCancelled(status)) co_return absl::OkStatus();
  co_return status;
}

void Bridge::stop() {
  if (stopping_) return;
  stopping_ = true;
  for (auto& [id, held] : held_) held->worker->drain();
  group_.spawn_isolated(drain_and_end());
}

base::Task<absl::Status> Bridge::drain_and_end() {
  const absl::Time limit = deps_.clock.now() + config_.drain;
  while (deps_.clock.now() < limit) {
    const bool posting = std::any_of(held_.begin(), held_.end(),
                                     [](const auto& entry) { return entry.second->worker->posts_in_flight() > 0; });
    if (!posting) break;
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(absl::Milliseconds(20)));
  }
  // A regular end is nobody's fault: three restarts in a row shall poison nothing.
  base::Task<absl::Status> telling = deps_.executions.outlived(leases(), absl::ZeroDuration());
  [[maybe_unused]] const absl::Status told =
      co_await base::with_deadline(deps_.strand, deps_.clock, std::move(telling), limit);
  group_.cancel();
  co_return absl::OkStatus();
}

void Bridge::wake(base::ExecutionId execution, base::InstanceId instance) {
  if (stopping_ || held_.empty()) return;
  if (instance.value != 0) {
    const auto it = held_.find(instance);
    if (it == held_.end()) return;  // misrouted: its owner finds it by itself
    it->second->worker->take(execution);
    return;
  }
  group_.spawn_isolated(route_wake(execution));
}

base::Task<absl::Status> Bridge::route_wake(base::ExecutionId execution) {
  auto row = co_await deps_.executions.read(execution);
  if (!row.ok()) co_return row.status();
  auto it = held_.find(row->instance_id);
  if (it == held_.end()) co_return absl::OkStatus();  // misrouted: its owner finds it by itself
  if (row->state == domain::ExecutionState::kAssigned) it->second->worker->take(row->id);
  co_return absl::OkStatus();
}

base::Task<absl::Status> Bridge::lease_loop() {
  absl::Time renew_at = deps_.clock.now() + config_.lease_renew;
  for (;;) {
    const absl::Time next = deps_.clock.now() + config_.look_every;
    absl::Status status;
    // Renewing comes first: after a long stop our own leases have run out, and while nobody else took them they are
    // still ours under the same epoch.
    if (!held_.empty() && deps_.clock.now() >= renew_at) {
      status = co_await renew();
      if (status.ok()) renew_at = deps_.clock.now() + config_.lease_renew;
    }
    if (status.ok() && !reclaimed_) {
      status = co_await acquire(true);
      reclaimed_ = status.ok();
    }
    if (status.ok()) status = co_await acquire(false);
    if (absl::IsCancelled(status)) co_return status;
    if (store_away_ == status.ok()) {
      store_away_ = !status.ok();
      deps_.observer.store(!store_away_);
      deps_.journal.warning(store_away_ ? "store_away" : "store_back", {{base::key::kReason, status.ToString()}});
    }
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(config_.look_gap));
    const absl::Status rested = co_await leases_.wait_until(next);
    if (absl::IsCancelled(rested)) co_return rested;
  }
}

base::Task<absl::Status> Bridge::acquire(bool own_restart) {
  // Trust counts from before the call: the database's clock started the lease at some moment after it.
  const absl::Time trusted_until = deps_.clock.now() + config_.lease_ttl - config_.lease_margin;
  absl::StatusOr<std::vector<ports::Lease>> leases = std::vector<ports::Lease>();
  if (own_restart) {
    leases = co_await deps_.executions.reclaim(config_.identity, config_.lease_ttl);
  } else {
    leases = co_await deps_.executions.acquire(config_.identity, config_.lease_ttl, config_.leases_per_look);
  }
  if (!leases.ok()) co_return leases.status();
  for (const ports::Lease& lease : *leases) {
    // An own lease that had run out and was taken again: its old epoch's work must not go on.
    lose(lease.instance_id);
    deps_.journal.info("lease_acquired", {{base::key::kInstance, lease.instance_id}, {base::key::kEpoch, lease.epoch}});
    auto held = std::make_shared<Held>();
    held->lease = {lease.instance_id, lease.epoch, trusted_until, lease.previous_owner, lease.previous_lock};
    held->worker = std::make_unique<InstanceWorker>(deps_, config_, held->lease, outlets_);
    held->group = std::make_unique<base::Group>(deps_.strand);
    held_[lease.instance_id] = held;
    group_.spawn_isolated(work(std::move(held)));
    rows_.notify();
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> Bridge::news_loop() {
  for (;;) {
    const absl::Time next = deps_.clock.now() + config_.look_every;
    const absl::Status looked = co_await look_for_news();
    if (absl::IsCancelled(looked)) co_return looked;
    CO_RETURN_IF_ERROR(co_await rest(news_, next));
  }
}

base::Task<absl::Status> Bridge::rows_loop() {
  for (;;) {
    const absl::Time next = deps_.clock.now() + config_.look_every;
    const absl::Status read = co_await read_rows();
    if (absl::IsCancelled(read)) co_return read;
    CO_RETURN_IF_ERROR(co_await rest(rows_, next));
  }
}

// Until the next hint or the next look, whichever is first, and never at once.
base::Task<absl::Status> Bridge::rest(base::Event& hinted, absl::Time next) {
  CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(config_.look_gap));
  const absl::Status rested = co_await hinted.wait_until(next);
  if (absl::IsCancelled(rested)) co_return rested;
  co_return absl::OkStatus();
}

base::Task<absl::Status> Bridge::look_for_news() {
  if (held_.empty()) co_return absl::OkStatus();
  std::vector<base::ExecutionId> known;
  for (const auto& [id, held] : held_) {
    held->worker->look_begins();
    held->worker->add_known(known);
  }
  ASSIGN_OR_CO_RETURN(std::vector<ports::ExecutionRow> rows,
                      co_await deps_.executions.news(config_.identity.owner, std::move(known)));
  std::map<base::InstanceId, std::vector<ports::ExecutionRow>> by_instance;
  for (ports::ExecutionRow& row : rows) by_instance[row.instance_id].push_back(std::move(row));
  for (const auto& [id, held] : held_) held->worker->see_news(std::move(by_instance[id]));
  co_return absl::OkStatus();
}

base::Task<absl::Status> Bridge::read_rows() {
  std::vector<base::InstanceId> ids;
  for (const auto& [id, held] : held_) ids.push_back(id);
  if (ids.empty()) co_return absl::OkStatus();
  ASSIGN_OR_CO_RETURN(std::vector<ports::InstanceRow> rows, co_await deps_.executions.instances(std::move(ids)));
  for (ports::InstanceRow& row : rows) {
    const auto it = held_.find(row.id);
    if (it == held_.end()) continue;
    const bool first = it->second->worker->see_row(std::move(row));
    if (first) news_.notify();
  }
  co_return absl::OkStatus();
}

base::Task<absl::Status> Bridge::work(std::shared_ptr<Held> held) {
  held->group->spawn(held->worker->run());
  const absl::Status status = co_await held->group->join();
  auto it = held_.find(held->lease.instance_id);
  if (it != held_.end() && it->second == held) held_.erase(it);
  deps_.journal.info("worker_ended", {{base::key::kInstance, held->lease.instance_id},
                                      {base::key::kEpoch, held->lease.epoch},
                                      {base::key::kReason, status.ToString()}});
  if (!status.ok()) co_return status;
  std::vector<ports::Lease> ended;
  ended.push_back({held->lease.instance_id, held->lease.epoch, {}});
  co_return co_await deps_.executions.release(std::move(ended));
}

base::Task<absl::Status> Bridge::renew() {
  const absl::Time trusted_until = deps_.clock.now() + config_.lease_ttl - config_.lease_margin;
  std::vector<ports::Lease> leases = this->leases();
  ASSIGN_OR_CO_RETURN(const std::vector<ports::InstanceId> ours,
                      co_await deps_.executions.renew(config_.identity, leases, config_.lease_ttl));
  for (const ports::Lease& lease : leases) {
    auto it = held_.find(lease.instance_id);
    if (it == held_.end() || it->second->lease.epoch != lease.epoch) continue;
    if (std::find(ours.begin(), ours.end(), lease.instance_id) != ours.end()) {
      it->second->lease.trusted_until = trusted_until;
    } else {
      deps_.journal.warning("lease_lost",
                            {{base::key::kInstance, lease.instance_id}, {base::key::kEpoch, lease.epoch}});
      lose(lease.instance_id);
    }
  }
  co_return absl::OkStatus();
}

std::vector<ports::Lease> Bridge::leases() const {
  std::vector<ports::Lease> leases;
  for (const auto& [id, held] : held_) leases.push_back({id, held->lease.epoch, {}});
  return leases;
}

// What was adopted and did not kill us until now is not poisoned. Best effort: the next time tells it again.
base::Task<absl::Status> Bridge::outlive_loop() {
  for (;;) {
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(config_.outlives_after));
    std::vector<ports::Lease> held = leases();
    if (held.empty()) continue;
    const absl::Status told = co_await deps_.executions.outlived(std::move(held), config_.outlives_after);
    if (absl::IsCancelled(told)) co_return told;
  }
}

void Bridge::lose(base::InstanceId instance) {
  auto it = held_.find(instance);
  if (it == held_.end()) return;
  it->second->group->cancel();
  held_.erase(it);
}

}  // namespace renderyard::bridge
