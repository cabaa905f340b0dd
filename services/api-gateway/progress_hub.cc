#include "services/api-gateway/progress_hub.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "libs/common/base/status_macros.h"

namespace renderyard::gateway {

ProgressHub::ProgressHub(Deps deps, Config config) : deps_(deps), config_(config), look_(deps.strand, deps.clock) {}

base::Task<absl::Status> ProgressHub::run() {
  bool failing = false;
  absl::Status status;
  while (!absl::IsCancelled(status)) {
    auto addresses = co_await deps_.store.bridge_addresses();
    // While the database is away the bridges go on, and so do their streams.
    if (addresses.ok()) follow_exactly(*addresses);
    if (failing == addresses.ok()) {
      failing = !addresses.ok();
      deps_.journal.warning(failing ? "bridge_list_away" : "bridge_list_back",
                            {{base::key::kReason, addresses.status().ToString()}});
    }
    const absl::Time deadline = deps_.clock.now() + config_.poll;
    status = co_await look_.wait_until(deadline);
  }
  follow_exactly({});
  co_await boost::asio::this_coro::reset_cancellation_state();
  for (std::size_t i = 0; i < ending_.size(); ++i) {
    base::Group& group = *ending_[i];
    const absl::Status joined = co_await group.join();
    joined.IgnoreError();  // each stream's end was noted when it came
  }
  ending_.clear();
  co_return status;
}

void ProgressHub::follow_exactly(const std::vector<std::string>& addresses) {
  std::erase_if(ending_, [](const auto& group) { return group->live() == 0; });
  for (auto it = followers_.begin(); it != followers_.end();) {
    if (std::find(addresses.begin(), addresses.end(), it->first) != addresses.end()) {
      ++it;
      continue;
    }
    it->second->cancel();
    ending_.push_back(std::move(it->second));
    it = followers_.erase(it);
  }
  for (const std::string& address : addresses) {
    auto& group = followers_[address];
    if (group) continue;
    group = std::make_unique<base::Group>(deps_.strand);
    group->spawn_isolated(follow(address));
  }
}

base::Task<absl::Status> ProgressHub::follow(std::string address) {
  int failures = 0;
  for (;;) {
    const absl::Time begun = deps_.clock.now();
    const absl::Status status = co_await read_all(address);
    if (deps_.clock.now() - begun > config_.retry_limit) failures = 0;
    deps_.journal.debug("progress_stream_lost", {{"bridge", address}, {base::key::kReason, status.ToString()}});
    const absl::Duration limit = std::min(config_.retry_first * (1 << std::min(failures++, 10)), config_.retry_limit);
    const absl::Duration pause = limit / 2 + deps_.random.jitter(limit / 2);
    CO_RETURN_IF_ERROR(co_await deps_.clock.sleep_for(pause));
  }
}

base::Task<absl::Status> ProgressHub::read_all(std::string address) {
  auto stream = deps_.bridges.progress(address);
  for (;;) {
    ASSIGN_OR_CO_RETURN(std::optional<ports::Progress> progress, co_await stream->next());
    if (!progress) co_return absl::UnavailableError("the bridge ended its stream");
    apply(*std::move(progress));
  }
}

const ports::Progress* ProgressHub::latest(base::JobId job) const {
  const auto it = latest_.find(job);
  return it == latest_.end() ? nullptr : it->second.get();
}

void ProgressHub::attach(std::shared_ptr<Listener> listener) {
  for (const auto& [job, progress] : latest_) listener->on_progress(progress);
  listeners_.push_back(listener);
}

void ProgressHub::forget_all() {
  latest_.clear();
  std::vector<std::string> addresses;
  for (const auto& [address, group] : followers_) addresses.push_back(address);
  follow_exactly({});
  follow_exactly(addresses);
}

void ProgressHub::job_ended(base::JobId job) {
  latest_.erase(job);
  if (!ended_.insert(job).second) return;
  ended_order_.push_back(job);
  if (ended_order_.size() <= config_.remember_ended) return;
  ended_.erase(ended_order_.front());
  ended_order_.pop_front();
}

void ProgressHub::apply(ports::Progress progress) {
  if (ended_.contains(progress.job_id)) return;
  const auto known = latest_.find(progress.job_id);
  if (known == latest_.end()) {
    if (latest_.size() >= config_.max_jobs) return;
  } else {
    const ports::Progress& before = *known->second;
    if (progress.execution_id < before.execution_id) return;
    const bool same_execution = progress.execution_id == before.execution_id;
    if (same_execution && progress.owner_epoch < before.owner_epoch) return;
    const bool same_sender = same_execution && progress.owner_epoch == before.owner_epoch;
    if (same_sender && progress.percent < before.percent) return;
    // A new sender may begin lower than the old one ended; what it says of nodes is news, its percent is not yet.
    progress.percent = std::max(progress.percent, before.percent);
  }
  auto shared = std::make_shared<const ports::Progress>(std::move(progress));
  latest_[shared->job_id] = shared;
  bool gone = false;
  for (const auto& weak : listeners_) {
    if (auto listener = weak.lock()) {
      listener->on_progress(shared);
    } else {
      gone = true;
    }
  }
  if (gone) std::erase_if(listeners_, [](const auto& weak) { return weak.expired(); });
}

}  // namespace renderyard::gateway
