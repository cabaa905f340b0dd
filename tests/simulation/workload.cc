#include "tests/simulation/workload.h"

#include <algorithm>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/testing/fake_comfy/prompt.h"
#include "tests/simulation/direct_door.h"

namespace renderyard::simulation {

namespace {

std::string node(const std::string& id, const std::string& class_type, const std::string& inputs) {
  return "\"" + id + "\":{\"class_type\":\"" + class_type + "\",\"inputs\":{" + inputs + "}}";
}

PlannedJob plan_job(base::Random& random, int n) {
  PlannedJob job;
  job.n = n;
  const double kind = random.unit();
  if (kind < 0.06) job.kind = PlannedJob::Kind::kFailing;
  if (kind > 0.95) job.kind = PlannedJob::Kind::kRefused;
  // Beyond 2^53, so that whoever makes a double of it changes the picture.
  const std::string seed = std::to_string((1LL << 60) + static_cast<long long>(random.below(1LL << 50)));
  std::string workflow = node("1", "CheckpointLoaderSimple", R"("ckpt_name":"model.safetensors")");
  workflow += "," + node("2", "KSampler", R"("model":["1",0],"seed":)" + seed);
  if (job.kind == PlannedJob::Kind::kFailing) {
    job.bad_node = "3";
    workflow += "," + node("3", "FailingNode", R"("samples":["2",0])");
  } else if (job.kind == PlannedJob::Kind::kRefused) {
    job.bad_node = "3";
    workflow += "," + node("3", "MissingNode", R"("samples":["2",0])");
  } else if (random.chance(0.3)) {
    workflow += "," + node("3", "VAEDecode", R"("samples":["2",0])");
  }
  const int outputs = 1 + static_cast<int>(random.below(2));
  for (int i = 0; i < outputs; ++i) {
    const std::string id = std::to_string(10 + i);
    workflow += "," + node(id, "SaveImage", R"("images":["2",0],"filename_prefix":"pic")");
    job.out_nodes.push_back(id);
  }
  job.workflow = "{" + workflow + "}";
  job.picture = testing::picture_of({seed});
  job.priority = static_cast<int>(random.below(3)) - 1;
  if (random.chance(0.8)) job.idempotency_key = "order-" + std::to_string(n);
  return job;
}

}  // namespace

std::vector<PlannedJob> plan_jobs(base::Random& random) {
  std::vector<PlannedJob> plan;
  const int count = 20 + static_cast<int>(random.below(8));
  absl::Duration at;
  for (int n = 1; n <= count; ++n) {
    PlannedJob job = plan_job(random, n);
    // Bursts and gaps.
    if (random.chance(0.4)) at += random.jitter(absl::Seconds(4));
    job.at = at;
    plan.push_back(std::move(job));
  }
  return plan;
}

Workload::Workload(Park& park, std::vector<PlannedJob> plan, int watchers)
    : park_(park), process_(park.world().start("workload")) {
  for (PlannedJob& job : plan) jobs_.push_back({std::move(job), std::nullopt, 0, false});
  watchers_.resize(static_cast<std::size_t>(watchers));
  for (int n = 0; n < watchers; ++n) watchers_[static_cast<std::size_t>(n)].n = n + 1;
}

void Workload::start() {
  door_ = &process_.make<DirectDoor>(process_, park_);
  for (OrderedJob& job : jobs_) process_.spawn(submit_one(&job));
  for (Watcher& watcher : watchers_) process_.spawn(watch(&watcher));
}

bool Workload::submitted() const {
  return std::all_of(jobs_.begin(), jobs_.end(), [](const OrderedJob& job) { return job.id || job.given_up; });
}

bool Workload::caught_up(std::int64_t last_event) const {
  return std::all_of(watchers_.begin(), watchers_.end(),
                     [last_event](const Watcher& watcher) { return watcher.last_event >= last_event; });
}

base::Task<absl::Status> Workload::submit_one(OrderedJob* job) {
  CO_RETURN_IF_ERROR(co_await process_.clock().sleep_for(job->plan.at));
  for (;;) {
    ++job->attempts;
    auto id = co_await door_->submit(job->plan);
    if (id.ok()) {
      job->id = *id;
      process_.journal().info("acknowledged", {{base::key::kJob, *id}, {"order", job->plan.n}});
      co_return absl::OkStatus();
    }
    const bool in_doubt = absl::IsUnavailable(id.status()) || absl::IsDeadlineExceeded(id.status());
    if (!in_doubt) {
      park_.find("order " + std::to_string(job->plan.n) + " was refused: " + id.status().ToString());
      job->given_up = true;
      co_return absl::OkStatus();
    }
    if (job->plan.idempotency_key.empty()) {
      job->given_up = true;  // to repeat it could make two jobs
      co_return absl::OkStatus();
    }
    const absl::Duration pause = absl::Milliseconds(200) + process_.random().jitter(absl::Seconds(2));
    CO_RETURN_IF_ERROR(co_await process_.clock().sleep_for(pause));
  }
}

base::Task<absl::Status> Workload::watch(Watcher* watcher) {
  if (watcher->n > 1) {
    const absl::Duration late = process_.random().jitter(absl::Seconds(20));
    CO_RETURN_IF_ERROR(co_await process_.clock().sleep_for(late));
  }
  for (;;) {
    {
      base::StreamPtr<Notice> stream = door_->watch(watcher->position);
      watcher->percent.clear();
      for (;;) {
        auto notice = co_await stream->next();
        if (!notice.ok() || !notice->has_value()) {
          if (absl::IsFailedPrecondition(notice.status())) park_.find("watcher: " + notice.status().ToString());
          break;
        }
        hear(*watcher, **notice);
        if (process_.random().chance(0.005)) break;  // the client's own connection goes
      }
    }
    ++watcher->reconnects;
    const absl::Duration pause = absl::Milliseconds(50) + process_.random().jitter(absl::Seconds(1));
    CO_RETURN_IF_ERROR(co_await process_.clock().sleep_for(pause));
  }
}

void Workload::hear(Watcher& watcher, const Notice& notice) {
  const std::string who = "watcher " + std::to_string(watcher.n);
  if (notice.event) {
    if (watcher.started && notice.event->id <= watcher.last_event) {
      park_.find(who + " heard event " + std::to_string(notice.event->id) + " twice or out of order");
    }
    watcher.last_event = notice.event->id;
    watcher.seen.push_back(*notice.event);
  }
  if (notice.progress) {
    ++watcher.progress_seen;
    int& before = watcher.percent[notice.progress->job_id];
    if (notice.progress->percent < before) {
      park_.find(who + ": progress of job " + to_string(notice.progress->job_id) + " went back from " +
                 std::to_string(before) + " to " + std::to_string(notice.progress->percent));
    }
    if (notice.progress->percent >= 100) park_.find(who + ": progress said 100 %");
    before = std::max(before, notice.progress->percent);
  }
  if (!notice.position.empty()) {
    watcher.position = notice.position;
    const auto dash = notice.position.rfind('-');
    const std::int64_t id =
        std::strtoll(notice.position.c_str() + (dash == std::string::npos ? 0 : dash + 1), nullptr, 10);
    if (!watcher.started) {
      watcher.started = true;
      // The first notice of a new watcher says the bound from which it follows (or is the first event itself).
      watcher.first_bound = notice.event ? id - 1 : id;
    }
    watcher.last_event = std::max(watcher.last_event, id);
  }
}

}  // namespace renderyard::simulation
