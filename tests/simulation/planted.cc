#include "tests/simulation/planted.h"

#include <absl/strings/str_replace.h>

#include "libs/common/base/status_macros.h"

namespace renderyard::simulation {

namespace {

base::Task<absl::Status> start_behind(ports::ExecutionStore& store, base::ExecutionId id, base::InstanceId instance,
                                      base::Epoch epoch, std::string client_id) {
  auto started = co_await store.start(id, instance, epoch, std::move(client_id));
  co_return started.status();
}

// Heals itself: its reader never learns that it was broken.
class HealingSocket final : public ports::ComfySocket {
 public:
  HealingSocket(testing::sim::Process& process, ports::ComfyInstance& instance, std::string client_id,
                std::unique_ptr<ports::ComfySocket> inner)
      : process_(process), instance_(instance), client_id_(std::move(client_id)), inner_(std::move(inner)) {}

  base::Task<absl::StatusOr<std::optional<domain::ComfyMessage>>> next() override {
    for (;;) {
      auto message = co_await inner_->next();
      if (message.ok() || absl::IsCancelled(message.status())) co_return message;
      CO_RETURN_IF_ERROR(co_await process_.clock().sleep_for(absl::Milliseconds(50)));
      const absl::Time deadline = process_.clock().now() + absl::Seconds(10);
      auto again = co_await instance_.connect(client_id_, deadline);
      if (absl::IsCancelled(again.status())) co_return again.status();
      if (again.ok()) inner_ = *std::move(again);
    }
  }
  base::Task<absl::Status> ping(absl::Time deadline) override { return inner_->ping(deadline); }
  base::Task<absl::Status> close(absl::Time deadline) override { return inner_->close(deadline); }

 private:
  testing::sim::Process& process_;
  ports::ComfyInstance& instance_;
  std::string client_id_;
  std::unique_ptr<ports::ComfySocket> inner_;
};

// A prompt's success and outputs do not reach its listener.
class ForgetfulSocket final : public ports::ComfySocket {
 public:
  explicit ForgetfulSocket(std::unique_ptr<ports::ComfySocket> inner) : inner_(std::move(inner)) {}

  base::Task<absl::StatusOr<std::optional<domain::ComfyMessage>>> next() override {
    for (;;) {
      auto message = co_await inner_->next();
      if (!message.ok() || !message->has_value()) co_return message;
      const bool said = std::holds_alternative<domain::ExecutionSuccess>(**message) ||
                        std::holds_alternative<domain::Executed>(**message);
      if (!said) co_return message;
    }
  }
  base::Task<absl::Status> ping(absl::Time deadline) override { return inner_->ping(deadline); }
  base::Task<absl::Status> close(absl::Time deadline) override { return inner_->close(deadline); }

 private:
  std::unique_ptr<ports::ComfySocket> inner_;
};

// "ry-<instance>-<epoch>" without the epoch.
std::string stable(std::string client_id) {
  return client_id.substr(0, client_id.rfind('-'));
}

std::string with_stable_client(std::string body) {
  constexpr std::string_view kKey = R"("client_id":")";
  const std::size_t begin = body.find(kKey) + kKey.size();
  const std::size_t end = body.find('"', begin);
  return body.replace(begin, end - begin, stable(body.substr(begin, end - begin)));
}

class PlantedInstance final : public ports::ComfyInstance {
 public:
  PlantedInstance(testing::sim::Process& process, std::unique_ptr<ports::ComfyInstance> inner,
                  testing::FakeComfy& server, PlantedBug bug)
      : process_(process), inner_(std::move(inner)), server_(server), bug_(bug) {}

  base::Task<domain::PostOutcome> post_prompt(std::string body, absl::Time begin_by, absl::Time deadline) override {
    if (bug_ == PlantedBug::kStableClientId) body = with_stable_client(std::move(body));
    unclear_ = false;
    first_queue_.reset();
    domain::PostOutcome outcome = co_await inner_->post_prompt(body, begin_by, deadline);
    if (outcome.kind != domain::PostOutcome::Kind::kUnclear) co_return outcome;
    unclear_ = true;
    if (bug_ == PlantedBug::kResendOnUnclear) co_return co_await inner_->post_prompt(body, begin_by, deadline);
    if (bug_ == PlantedBug::kHastyRequeue && server_.idle()) outcome.kind = domain::PostOutcome::Kind::kNotSent;
    co_return outcome;
  }

  base::Task<absl::StatusOr<std::unique_ptr<ports::ComfySocket>>> connect(std::string client_id,
                                                                          absl::Time deadline) override {
    if (bug_ == PlantedBug::kStableClientId) client_id = stable(std::move(client_id));
    auto socket = co_await inner_->connect(client_id, deadline);
    if (!socket.ok()) co_return socket;
    if (bug_ == PlantedBug::kForgetfulEar) co_return std::make_unique<ForgetfulSocket>(*std::move(socket));
    if (bug_ != PlantedBug::kUnseenGap) co_return socket;
    co_return std::make_unique<HealingSocket>(process_, *inner_, std::move(client_id), *std::move(socket));
  }
  void set_access(std::vector<ports::SecretHeader> headers) override { inner_->set_access(std::move(headers)); }
  base::Task<absl::StatusOr<ports::ComfyAbilities>> probe(absl::Time deadline) override {
    return inner_->probe(deadline);
  }
  base::Task<absl::StatusOr<domain::ServerDescription>> describe(absl::Time deadline) override {
    return inner_->describe(deadline);
  }
  base::Task<absl::StatusOr<domain::QueueListing>> queue(absl::Time deadline) override {
    if (first_queue_) co_return *first_queue_;
    auto listing = co_await inner_->queue(deadline);
    if (bug_ == PlantedBug::kOneQueueLook && unclear_ && listing.ok()) first_queue_ = *listing;
    co_return listing;
  }
  base::Task<absl::StatusOr<std::optional<domain::HistoryEntry>>> history(std::string prompt_id,
                                                                          absl::Time deadline) override {
    auto entry = co_await inner_->history(std::move(prompt_id), deadline);
    if (bug_ == PlantedBug::kRawResult && entry.ok() && entry->has_value()) {
      std::string& outputs = (*entry)->outputs_json;
      if (outputs.size() > 2) outputs.insert(outputs.size() - 1, R"(,"raw":{"value":[NaN]})");
    }
    co_return entry;
  }
  base::Task<absl::StatusOr<std::vector<domain::QueueItem>>> recent_history(int max_items,
                                                                            absl::Time deadline) override {
    return inner_->recent_history(max_items, deadline);
  }
  base::Task<absl::StatusOr<ports::FetchedFile>> fetch(domain::OutputFile file, ports::ByteSink sink,
                                                       ports::FetchBegun begun, absl::Time deadline) override {
    if (bug_ == PlantedBug::kBlindCopy) begun = nullptr;
    auto fetched = co_await inner_->fetch(std::move(file), std::move(sink), std::move(begun), deadline);
    if (bug_ == PlantedBug::kBlindCopy && fetched.ok()) fetched->version = {};
    co_return fetched;
  }
  base::Task<absl::StatusOr<ports::FileVersion>> version(domain::OutputFile file, absl::Time deadline) override {
    if (bug_ == PlantedBug::kBlindCopy) co_return ports::FileVersion();
    co_return co_await inner_->version(std::move(file), deadline);
  }
  base::Task<absl::Status> cancel(std::string prompt_id, ports::ComfyAbilities abilities,
                                  absl::Time deadline) override {
    if (bug_ == PlantedBug::kCarelessCancel) server_.interrupt();
    return inner_->cancel(std::move(prompt_id), std::move(abilities), deadline);
  }

 private:
  testing::sim::Process& process_;
  std::unique_ptr<ports::ComfyInstance> inner_;
  testing::FakeComfy& server_;
  PlantedBug bug_;
  bool unclear_ = false;
  std::optional<domain::QueueListing> first_queue_;
};

}  // namespace

base::Task<absl::StatusOr<std::optional<ports::StartedExecution>>> PlantedStore::start(base::ExecutionId id,
                                                                                       base::InstanceId instance,
                                                                                       base::Epoch epoch,
                                                                                       std::string client_id) {
  if (bug_ != PlantedBug::kPostBeforeIntent) {
    co_return co_await inner_.start(id, instance, epoch, std::move(client_id));
  }
  ASSIGN_OR_CO_RETURN(ports::StartedExecution started, co_await inner_.load(id));
  if (started.execution.state != ports::ExecutionState::kAssigned) co_return std::optional<ports::StartedExecution>();
  process_.spawn(start_behind(inner_, id, instance, epoch, client_id));
  started.execution.state = ports::ExecutionState::kSubmitting;
  started.execution.owner_epoch = epoch;
  started.execution.client_id = std::move(client_id);
  co_return std::optional<ports::StartedExecution>(std::move(started));
}

base::Task<absl::StatusOr<ports::StartedExecution>> PlantedStore::load(base::ExecutionId id) {
  auto loaded = co_await inner_.load(id);
  const bool unsent = loaded.ok() && loaded->execution.state == ports::ExecutionState::kAssigned;
  if (bug_ == PlantedBug::kBlindNeighbour && unsent) {
    loaded->workflow = absl::StrReplaceAll(loaded->workflow, {{"SaveAnywhere", "PreviewImage"}});
  }
  co_return loaded;
}

std::unique_ptr<ports::ComfyInstance> PlantedConnector::instance(const ports::InstanceRow& row) {
  std::unique_ptr<ports::ComfyInstance> plain = inner_.instance(row);
  if (bug_ == PlantedBug::kNone || bug_ == PlantedBug::kPostBeforeIntent || bug_ == PlantedBug::kBlindNeighbour) {
    return plain;
  }
  return std::make_unique<PlantedInstance>(process_, std::move(plain), *fleet_.at(row.api_url), bug_);
}

}  // namespace renderyard::simulation
