// One run: the workload begins, faults come for a while and stop, then everything must come to its end.
#include <algorithm>

#include "tests/simulation/checks.h"
#include "tests/simulation/crash.h"
#include "tests/simulation/faults.h"
#include "tests/simulation/options.h"
#include "tests/simulation/park.h"
#include "tests/simulation/workload.h"

namespace renderyard::simulation {

namespace {

constexpr absl::Duration kFaultSpan = absl::Seconds(40);    // faults begin within this
constexpr absl::Duration kFaultsStop = absl::Seconds(75);   // and all are over here
constexpr absl::Duration kLiveness = absl::Minutes(10);     // every job is final by then
constexpr absl::Duration kSecondBridge = absl::Seconds(2);  // it starts when the first has its leases
constexpr absl::Duration kStragglers =
    absl::Seconds(120);  // longer than testing::kDeafFor: for a node that nothing stops
constexpr absl::Duration kAftermath = absl::Seconds(20);  // what may still surface after the last job's end
constexpr std::uint64_t kMaxSteps = 5'000'000;            // a run that goes in circles without time passing

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options),
        plan_(base::SplitMix(options.seed ^ 0x9e3779b97f4a7c15ULL)),
        instances_(options.few ? 2 : 2 + static_cast<int>(plan_.below(3))),
        park_(options, instances_),
        workload_(park_, options.few ? plan_few_jobs(plan_) : plan_jobs(plan_),
                  options.few ? 1 : 2 + static_cast<int>(plan_.below(3))),
        faults_(park_,
                with_faults() ? plan_faults(plan_, park_.comfies().size(), kFaultSpan) : std::vector<PlannedFault>(),
                instances_),
        crasher_(park_, faults_, options.crash),
        checks_(park_) {
    park_.database_weather().committed = [this](std::string_view) {
      checks_.after_commit();
      faults_.executions_moved();
    };
  }

  Result run() {
    for (const Role role : kRoles) park_.start(role);
    workload_.start();
    faults_.start();
    const absl::Time stop = park_.world().now() + kFaultsStop;
    if (options_.few) park_.world().after(kSecondBridge, [this] { park_.start_second_bridge(); });
    if (with_faults()) {
      steps_until(park_.world().now() + kFaultSpan, [] { return false; });
      // One that was due may find nothing to strike (its process is dead already), so this is asked again.
      for (faults_.top_up(); faults_.happened() < Faults::kLeast && park_.world().now() < stop; faults_.top_up()) {
        steps_until(std::min(stop, park_.world().now() + absl::Seconds(5)), [] { return false; });
      }
      steps_until(stop, [] { return false; });
    }
    faults_.stop_all();
    const auto all_final = [this] { return workload_.submitted() && checks_.every_job_final() && crasher_.quiet(); };
    steps_until(stop + kLiveness, all_final);
    const std::int64_t last = last_event();
    // Prompts that were given up may still be there.
    steps_until(park_.world().now() + kStragglers, [this] { return instances_are_free(); });
    const absl::Time aftermath = park_.world().now() + kAftermath;
    steps_until(aftermath, [] { return false; });
    steps_until(aftermath + absl::Minutes(1), [this, last] { return workload_.caught_up(last); });
    check_all(park_, workload_, faults_);
    return result();
  }

 private:
  bool with_faults() const { return options_.faults && !options_.few; }

  template <class Done>
  void steps_until(absl::Time limit, Done done) {
    sim::World& world = park_.world();
    while (!done() && world.next_at() <= limit && world.step()) {
      faults_.after_step();
      crasher_.after_step();
      if (world.steps() > kMaxSteps) {
        park_.find("the run goes in circles: " + std::to_string(kMaxSteps) + " steps");
        return;
      }
    }
  }

  bool instances_are_free() const {
    const auto& instances = park_.database().tables().instances;
    const bool quarantined = std::any_of(instances.begin(), instances.end(), [](const auto& entry) {
      const ports::InstanceRow& row = entry.second.row;
      return row.is_enabled && !row.removed_at && row.quarantined_at.has_value();
    });
    const auto& comfies = park_.comfies();
    return !quarantined && std::all_of(comfies.begin(), comfies.end(), [](const auto& comfy) { return comfy->idle(); });
  }

  std::int64_t last_event() const {
    const auto& events = park_.database().tables().events;
    return events.empty() ? 0 : events.rbegin()->first;
  }

  Result result() {
    Result result;
    result.seed = options_.seed;
    result.trace_hash = park_.world().trace().hash();
    result.steps = park_.world().steps();
    result.simulated_seconds = absl::ToDoubleSeconds(park_.world().elapsed());
    for (const auto& [id, job] : park_.database().tables().jobs) {
      ++result.jobs;
      if (job.row.status == ports::JobStatus::kCompleted) ++result.completed;
      if (job.row.status == ports::JobStatus::kFailed) ++result.failed;
      if (job.row.status == ports::JobStatus::kCancelled) ++result.cancelled;
    }
    result.faults = faults_.happened();
    for (const Watcher& watcher : workload_.watchers()) result.reconnects += watcher.reconnects;
    result.findings = park_.findings();
    result.trace.assign(park_.world().trace().lines().begin(), park_.world().trace().lines().end());
    result.coverage = faults_.coverage();
    result.effects = crasher_.effects();
    return result;
  }

  Options options_;
  mutable base::SplitMix plan_;
  const int instances_;
  mutable Park park_;
  Workload workload_;
  Faults faults_;
  Crasher crasher_;
  RunningChecks checks_;
};

}  // namespace

Result run_scenario(const Options& options) {
  return Run(options).run();
}

}  // namespace renderyard::simulation
