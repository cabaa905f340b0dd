#include "tests/simulation/planted.h"

#include "libs/common/base/status_macros.h"

namespace renderyard::simulation {

namespace {

base::Task<absl::Status> start_behind(ports::ExecutionStore& store, base::ExecutionId id, base::InstanceId instance,
                                      base::Epoch epoch, std::string client_id) {
  auto started = co_await store.start(id, instance, epoch, std::move(client_id));
  co_return started.status();
}

class ResendingInstance final : public ports::ComfyInstance {
 public:
  explicit ResendingInstance(std::unique_ptr<ports::ComfyInstance> inner) : inner_(std::move(inner)) {}

  base::Task<domain::PostOutcome> post_prompt(std::string body, absl::Time deadline) override {
    domain::PostOutcome outcome = co_await inner_->post_prompt(body, deadline);
    if (outcome.kind != domain::PostOutcome::Kind::kUnclear) co_return outcome;
    co_return co_await inner_->post_prompt(body, deadline);
  }

  base::Task<absl::StatusOr<std::unique_ptr<ports::ComfySocket>>> connect(std::string client_id,
                                                                          absl::Time deadline) override {
    return inner_->connect(std::move(client_id), deadline);
  }
  base::Task<absl::StatusOr<ports::ComfyAbilities>> probe(absl::Time deadline) override {
    return inner_->probe(deadline);
  }
  base::Task<absl::StatusOr<domain::QueueListing>> queue(absl::Time deadline) override {
    return inner_->queue(deadline);
  }
  base::Task<absl::StatusOr<std::optional<domain::HistoryEntry>>> history(std::string prompt_id,
                                                                          absl::Time deadline) override {
    return inner_->history(std::move(prompt_id), deadline);
  }
  base::Task<absl::StatusOr<std::vector<domain::QueueItem>>> recent_history(int max_items,
                                                                            absl::Time deadline) override {
    return inner_->recent_history(max_items, deadline);
  }
  base::Task<absl::StatusOr<ports::FetchedFile>> fetch(domain::OutputFile file,
                                                       absl::AnyInvocable<absl::Status(std::string_view)> sink,
                                                       absl::Time deadline) override {
    return inner_->fetch(std::move(file), std::move(sink), deadline);
  }
  base::Task<absl::Status> cancel(std::string prompt_id, ports::ComfyAbilities abilities,
                                  absl::Time deadline) override {
    return inner_->cancel(std::move(prompt_id), std::move(abilities), deadline);
  }

 private:
  std::unique_ptr<ports::ComfyInstance> inner_;
};

}  // namespace

base::Task<absl::StatusOr<std::optional<ports::StartedExecution>>> EagerStore::start(base::ExecutionId id,
                                                                                     base::InstanceId instance,
                                                                                     base::Epoch epoch,
                                                                                     std::string client_id) {
  ASSIGN_OR_CO_RETURN(ports::StartedExecution started, co_await inner_.load(id));
  if (started.execution.state != ports::ExecutionState::kAssigned) co_return std::optional<ports::StartedExecution>();
  process_.spawn(start_behind(inner_, id, instance, epoch, client_id));
  started.execution.state = ports::ExecutionState::kSubmitting;
  started.execution.owner_epoch = epoch;
  started.execution.client_id = std::move(client_id);
  co_return std::optional<ports::StartedExecution>(std::move(started));
}

std::unique_ptr<ports::ComfyInstance> ResendingConnector::instance(const ports::InstanceRow& row) {
  return std::make_unique<ResendingInstance>(inner_.instance(row));
}

}  // namespace renderyard::simulation
