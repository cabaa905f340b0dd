#include "tests/simulation/direct_door.h"

#include <cstdlib>
#include <deque>
#include <utility>

namespace renderyard::simulation {

namespace {

class EventNotices final : public base::Stream<Notice> {
 public:
  explicit EventNotices(base::StreamPtr<ports::EventBatch> batches) : batches_(std::move(batches)) {}

  base::Task<absl::StatusOr<std::optional<Notice>>> next() override {
    while (ready_.empty()) {
      auto batch = co_await batches_->next();
      if (!batch.ok()) co_return batch.status();
      if (!batch->has_value()) co_return std::optional<Notice>();
      for (ports::JobEvent& event : (*batch)->events) {
        Notice notice;
        notice.position = std::to_string(event.id);
        notice.event = std::move(event);
        ready_.push_back(std::move(notice));
      }
      Notice bound;
      bound.position = std::to_string((*batch)->upto);
      ready_.push_back(std::move(bound));
    }
    std::optional<Notice> notice(std::move(ready_.front()));
    ready_.pop_front();
    co_return notice;
  }

 private:
  base::StreamPtr<ports::EventBatch> batches_;
  std::deque<Notice> ready_;
};

}  // namespace

DirectDoor::DirectDoor(sim::Process& process, Park& park)
    : process_(process),
      park_(park),
      link_(process, park.database_weather()),
      store_(process.strand(), park.database(), link_),
      hints_(process.strand(), park.hints()),
      dispatchers_(process, park.network()) {}

base::Task<absl::StatusOr<base::JobId>> DirectDoor::submit(const PlannedJob& job) {
  ports::NewJob out;
  out.user = park_.user();
  out.uid = process_.random().uuid4();
  out.job_type = "image_generation";
  out.workflow = job.workflow;
  out.parameters_json = "{}";
  out.needs_key = "k";
  out.priority = job.priority;
  if (!job.idempotency_key.empty()) out.idempotency = ports::IdempotencyKey{job.idempotency_key, std::string(64, 'b')};
  auto submitted = co_await store_.submit(std::move(out));
  if (!submitted.ok()) co_return submitted.status();
  hints_.send(ports::Topic::kJobs);
  hints_.send(ports::Topic::kEvents);
  co_return submitted->id;
}

base::StreamPtr<Notice> DirectDoor::watch(std::string since) {
  std::optional<std::int64_t> after;
  if (!since.empty()) after = std::strtoll(since.c_str(), nullptr, 10);
  return std::make_unique<EventNotices>(dispatchers_.events("dispatcher-1:7002", "", after));
}

}  // namespace renderyard::simulation
