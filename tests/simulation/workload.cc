#include "tests/simulation/workload.h"

#include <algorithm>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/testing/fake_comfy/prompt.h"

namespace renderyard::simulation {

namespace {

std::string node(const std::string& id, const std::string& class_type, const std::string& inputs) {
  return "\"" + id + "\":{\"class_type\":\"" + class_type + "\",\"inputs\":{" + inputs + "}}";
}

constexpr int kLeastJobs = 20;

// In some plans most jobs write over what the last one wrote.
struct Habits {
  double anywhere = 0.3;  // a node that writes where it likes, of all that write
  double over = 0.2;      // over a file that is there, of those
};

PlannedJob plan_job(base::Random& random, int n, const Habits& habits = {}) {
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
  } else if (kind > 0.9 && kind < 0.95) {
    job.kind = PlannedJob::Kind::kHanging;
    job.bad_node = "3";
    const bool deaf = random.chance(0.4);
    workflow += "," + node("3", deaf ? "DeafNode" : "HangingNode", R"("samples":["2",0])");
    const int secs = 5 + static_cast<int>(random.below(25));
    if (random.chance(0.5)) {
      job.run_secs = secs;
    } else {
      job.silence_secs = secs;
    }
  } else if (random.chance(0.3)) {
    workflow += "," + node("3", "VAEDecode", R"("samples":["2",0])");
  }
  const int outputs = 1 + static_cast<int>(random.below(2));
  for (int i = 0; i < outputs; ++i) {
    const std::string id = std::to_string(10 + i);
    const bool anywhere = random.chance(habits.anywhere);
    const std::string path = random.chance(habits.over) ? "stills/latest-" + id + ".png" : "stills/pic";
    workflow += "," + (anywhere ? node(id, "SaveAnywhere", R"("images":["2",0],"path":")" + path + "\"")
                                : node(id, "SaveImage", R"("images":["2",0],"filename_prefix":"pic")"));
    job.out_nodes.push_back(id);
  }
  if (random.chance(0.2)) {
    job.socket_pictures = true;
    workflow += "," + node("20", "SaveImageWebsocket", R"("images":["2",0])");
    job.out_nodes.insert(job.out_nodes.end(), testing::FakeComfy::kSocketPictures, "20");
    if (random.chance(0.5)) workflow += "," + node("30", "ImageInvert", R"("image":["2",0])");
  }
  job.workflow = "{" + workflow + "}";
  job.picture = testing::picture_of({seed});
  job.priority = static_cast<int>(random.below(3)) - 1;
  // Without a key an order whose answer is lost cannot be repeated, and may be no job at all.
  if (n <= kLeastJobs || random.chance(0.3)) job.idempotency_key = "order-" + std::to_string(n);
  if (random.chance(0.12)) job.cancel_after = random.jitter(random.chance(0.5) ? absl::Seconds(1) : absl::Seconds(10));
  // From what only a busy fleet exceeds to what most do not.
  if (random.chance(0.15)) job.wait_secs = 1 + static_cast<int>(random.below(30));
  return job;
}

}  // namespace

std::vector<PlannedJob> plan_jobs(base::Random& random) {
  std::vector<PlannedJob> plan;
  const int count = kLeastJobs + static_cast<int>(random.below(10));
  absl::Duration at;
  const Habits habits = random.chance(0.2) ? Habits{0.8, 0.9} : Habits{};
  for (int n = 1; n <= count; ++n) {
    PlannedJob job = plan_job(random, n, habits);
    // Bursts and gaps.
    if (random.chance(0.5)) at += random.jitter(absl::Seconds(5));
    job.at = at;
    plan.push_back(std::move(job));
  }
  return plan;
}

std::vector<PlannedJob> plan_few_jobs(base::Random& random) {
  using Kind = PlannedJob::Kind;
  std::vector<PlannedJob> plan;
  const auto add = [&](const auto& wanted, absl::Duration at) -> PlannedJob& {
    PlannedJob job = plan_job(random, 1);
    while (!wanted(job)) job = plan_job(random, 1);
    job.n = static_cast<int>(plan.size()) + 1;
    job.idempotency_key = "order-" + std::to_string(job.n);
    job.at = at;
    job.wait_secs.reset();
    job.cancel_after.reset();
    return plan.emplace_back(std::move(job));
  };
  const auto plain = [](const PlannedJob& job) { return job.kind == Kind::kGood && !job.socket_pictures; };
  const auto pictures = [](const PlannedJob& job) { return job.kind == Kind::kGood && job.socket_pictures; };
  add(plain, absl::ZeroDuration());
  add(pictures, absl::ZeroDuration());
  add([](const PlannedJob& job) { return job.kind == Kind::kFailing; }, absl::Milliseconds(500));
  add(plain, absl::Milliseconds(500)).cancel_after = absl::Milliseconds(1500);
  // It finds out a socket that was left deaf.
  add(pictures, absl::Minutes(1));
  return plan;
}

Workload::Workload(Park& park, std::vector<PlannedJob> plan, int watchers)
    : park_(park), process_(park.world().start("workload")), door_(process_, park) {
  for (PlannedJob& job : plan) {
    jobs_.emplace_back();
    jobs_.back().plan = std::move(job);
  }
  watchers_.resize(static_cast<std::size_t>(watchers));
  for (int n = 0; n < watchers; ++n) watchers_[static_cast<std::size_t>(n)].n = n + 1;
}

void Workload::start() {
  for (OrderedJob& job : jobs_) process_.spawn(submit_one(&job));
  for (Watcher& watcher : watchers_) process_.spawn(watch(&watcher));
}

bool Workload::submitted() const {
  return std::all_of(jobs_.begin(), jobs_.end(), [](const OrderedJob& job) { return job.id || job.given_up; });
}

bool Workload::caught_up(std::int64_t last_event) const {
  return std::all_of(watchers_.begin(), watchers_.end(),
                     [last_event](const Watcher& watcher) { return watcher.last_id >= last_event; });
}

base::Task<absl::Status> Workload::submit_one(OrderedJob* job) {
  CO_RETURN_IF_ERROR(co_await process_.clock().sleep_for(job->plan.at));
  for (;;) {
    ++job->attempts;
    auto id = co_await door_.submit(job->plan);
    if (id.ok()) {
      job->id = *id;
      process_.journal().info("acknowledged", {{base::key::kJob, *id}, {"order", job->plan.n}});
      if (!job->plan.cancel_after) co_return absl::OkStatus();
      co_return co_await cancel_one(job);
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

// Until it is answered: a wish may be repeated.
base::Task<absl::Status> Workload::cancel_one(OrderedJob* job) {
  CO_RETURN_IF_ERROR(co_await process_.clock().sleep_for(*job->plan.cancel_after));
  for (;;) {
    job->cancel_asked = true;
    const absl::Status status = co_await door_.cancel(*job->id);
    process_.journal().info("cancel_answered", {{base::key::kJob, *job->id}, {base::key::kReason, status.ToString()}});
    const bool in_doubt = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
    if (!in_doubt) {
      job->cancel_answered = true;
      if (!status.ok() && !absl::IsFailedPrecondition(status)) {
        park_.find("cancel of job " + to_string(*job->id) + " was refused: " + status.ToString());
      }
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
      base::StreamPtr<gateway::FeedMessage> stream = door_.watch(watcher->position);
      watcher->percent.clear();
      for (;;) {
        auto message = co_await stream->next();
        if (!message.ok() || !message->has_value()) break;
        hear(*watcher, **message);
        if (process_.random().chance(0.005)) break;  // the client's own connection goes
      }
    }
    ++watcher->reconnects;
    const absl::Duration pause = absl::Milliseconds(50) + process_.random().jitter(absl::Seconds(1));
    CO_RETURN_IF_ERROR(co_await process_.clock().sleep_for(pause));
  }
}

void Workload::hear(Watcher& watcher, const gateway::FeedMessage& message) {
  using Kind = gateway::FeedMessage::Kind;
  switch (message.kind) {
    case Kind::kEvent:
      hear_event(watcher, message);
      break;
    case Kind::kProgress:
      hear_progress(watcher, message);
      break;
    case Kind::kSnapshot:
      if (watcher.started && message.position->id < watcher.last_id) {
        park_.find("watcher " + std::to_string(watcher.n) + " came back with a position and got an older snapshot");
      }
      for (const ports::JobRow& row : message.jobs) watcher.snapshot_seq[row.id] = row.event_seq;
      if (!watcher.started) watcher.first_bound = message.position->id;
      watcher.started = true;
      break;
    case Kind::kError:
      if (message.problem->http_status() != 503) {
        park_.find("watcher " + std::to_string(watcher.n) + " was sent away: " + message.problem->code);
      }
      break;
    case Kind::kResumed:
    case Kind::kHeartbeat:
      break;
  }
  if (message.position) {
    watcher.position = message.position->text();
    watcher.last_id = std::max(watcher.last_id, message.position->id);
  }
}

void Workload::hear_event(Watcher& watcher, const gateway::FeedMessage& message) {
  // Coming back with a snapshot's own position, a client hears again what the snapshot's rows had shown, and skips it.
  const auto known = watcher.snapshot_seq.find(message.job_id);
  const bool shown = known != watcher.snapshot_seq.end() && message.seq <= known->second;
  if (shown && watcher.reconnects > 0) return;
  const std::int64_t id = message.position->id;
  if (id <= watcher.last_id) {
    park_.find("watcher " + std::to_string(watcher.n) + " heard event " + std::to_string(id) +
               " twice or out of order (G6)");
  }
  watcher.heard.push_back({id, message.job_id, message.seq, message.type});
  if (gateway::ends_job(message.type)) watcher.ended.insert(message.job_id);
}

void Workload::hear_progress(Watcher& watcher, const gateway::FeedMessage& message) {
  const std::string what = "watcher " + std::to_string(watcher.n) + ": progress of job " + to_string(message.job_id);
  ++watcher.progress_heard;
  int& before = watcher.percent[message.job_id];
  if (message.percent < before) {
    park_.find(what + " went back from " + std::to_string(before) + " to " + std::to_string(message.percent));
  }
  if (message.percent >= 100) park_.find(what + " said 100 % before it was completed");
  if (watcher.ended.contains(message.job_id)) park_.find(what + " came after its end");
  before = std::max(before, message.percent);
}

}  // namespace renderyard::simulation
