#include "tests/simulation/checks.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "libs/common/domain/error_code.h"

namespace renderyard::simulation {

namespace {

using ports::ExecutionState;
using ports::JobStatus;
using testing::ComfyLedgerEntry;
using What = ComfyLedgerEntry::What;
using PostFault = testing::FakeComfy::PostFault;
namespace code = domain::code;

std::string name_of(base::JobId id) {
  return "job " + to_string(id);
}
std::string name_of(base::ExecutionId id) {
  return "execution " + to_string(id);
}

bool is_final_event(const std::string& type) {
  return type == ports::event_type::kCompleted || type == ports::event_type::kFailed ||
         type == ports::event_type::kCancelled;
}

constexpr absl::Duration kStopGrace = absl::Seconds(30);       // bridge::Config::stop_grace
constexpr absl::Duration kPromptly = absl::Seconds(10);        // to ask, to look, to write, without faults
constexpr absl::Duration kWhenAllIsWell = absl::Seconds(120);  // with faults, which stop after 75 s

class Checker {
 public:
  Checker(Park& park, const Workload& workload, const Faults& faults)
      : park_(park), tables_(park.database().tables()), workload_(workload), faults_(faults) {
    for (const auto& [id, execution] : tables_.executions)
      executions_of_[execution.row.job_id].push_back(&execution.row);
    for (const auto& [id, event] : tables_.events) events_of_[event.job_id].push_back(&event);
  }

  void run() {
    acknowledged_jobs();
    for (const auto& [id, job] : tables_.jobs) {
      final_once(job.row);
      const OrderedJob* ordered = order_of(job.row);
      if (ordered == nullptr) {
        park_.find(name_of(id) + " was ordered by nobody");
      } else {
        outcome(job.row, *ordered);
        wish(job.row, *ordered);
        waiting(job.row, ordered->plan);
        running(job.row, ordered->plan);
      }
    }
    ledgers();
    nothing_left();
    watchers();
  }

 private:
  // G1. Every job that was acknowledged exists, once, as it was ordered.
  void acknowledged_jobs() {
    std::map<std::string, int> by_workflow;
    for (const auto& [id, job] : tables_.jobs) ++by_workflow[job.row.workflow];
    for (const OrderedJob& ordered : workload_.jobs()) {
      if (by_workflow[ordered.plan.workflow] > 1) {
        park_.find("order " + std::to_string(ordered.plan.n) + " became more than one job");
      }
      if (!ordered.id) continue;
      const auto* job = park_.database().job(*ordered.id);
      if (job == nullptr) {
        park_.find(name_of(*ordered.id) + " was acknowledged and is gone (G1)");
      } else if (job->row.workflow != ordered.plan.workflow) {
        park_.find(name_of(*ordered.id) + " is not what was ordered (G1)");
      }
    }
  }

  const OrderedJob* order_of(const ports::JobRow& job) const {
    for (const OrderedJob& ordered : workload_.jobs()) {
      if (ordered.plan.workflow == job.workflow) return &ordered;
    }
    return nullptr;
  }

  // A cancel that was answered with 204 stands in the row and, once, in the events.
  void wish(const ports::JobRow& job, const OrderedJob& ordered) {
    int events = 0;
    for (const ports::JobEvent* event : events_of_[job.id]) {
      if (event->type == ports::event_type::kCancelRequested) ++events;
    }
    if (events > 1) park_.find(name_of(job.id) + " says more than once that its end was wished");
    if ((events == 1) != job.cancel_requested_at.has_value()) {
      park_.find(name_of(job.id) + ": the wish in its row and in its events disagree");
    }
    if (job.cancel_requested_at && !ordered.cancel_asked) park_.find(name_of(job.id) + " has a wish of nobody");
  }

  // A job whose time to wait is over is not claimed any more, and only such a job fails for it: with nothing at any
  // instance, and not before its time.
  void waiting(const ports::JobRow& job, const PlannedJob& plan) {
    const bool failed = job.error && job.error->code == code::kLimitWait;
    if (!plan.wait_secs) {
      if (failed) park_.find(name_of(job.id) + " failed by a limit that it does not have");
      return;
    }
    const absl::Time until = job.submitted_at + absl::Seconds(*plan.wait_secs);
    if (failed && job.completed_at < until) park_.find(name_of(job.id) + " failed before its time to wait was over");
    for (const ports::ExecutionRow* execution : executions_of_[job.id]) {
      if (execution->assigned_at >= until) {
        park_.find(name_of(job.id) + " was claimed when its time to wait was over");
      }
      const bool nothing_there =
          execution->state == ExecutionState::kWithdrawn || execution->state == ExecutionState::kNotAccepted;
      if (failed && !nothing_there) park_.find(name_of(job.id) + " failed as waiting though it was sent");
    }
  }

  // A prompt is stopped for its own limit only, and not before it has passed by the database's clock; and then it is
  // over soon, though nothing stops it.
  void running(const ports::JobRow& job, const PlannedJob& plan) {
    if (plan.run_secs && !executions_of_[job.id].empty()) {
      const ports::ExecutionRow& last = *executions_of_[job.id].back();
      const absl::Time bound = last.started_at.value_or(absl::InfiniteFuture()) + absl::Seconds(*plan.run_secs) +
                               kStopGrace + (faults_.records().empty() ? kPromptly : kWhenAllIsWell);
      if (last.ended_at && *last.ended_at > bound) park_.find(name_of(job.id) + " outlived its limit of running");
    }
    if (!job.error) return;
    const auto limit = job.error->code == code::kLimitRun       ? plan.run_secs
                       : job.error->code == code::kLimitSilence ? plan.silence_secs
                                                                : std::optional<int>(0);
    if (!limit) return park_.find(name_of(job.id) + " failed by a limit that it does not have");
    if (*limit == 0) return;
    const ports::ExecutionRow& last = *executions_of_[job.id].back();
    if (!last.started_at || *last.completed_at < *last.started_at + absl::Seconds(*limit)) {
      park_.find(name_of(job.id) + " failed by " + job.error->code + " before its limit had passed");
    }
    if (last.limit_passed != job.error->code)
      park_.find(name_of(job.id) + ": its execution does not say which limit passed");
  }

  // G3. Exactly one final event, numbers without a hole, state and event agree.
  void final_once(const ports::JobRow& job) {
    if (!domain::is_final(job.status)) {
      std::string where = std::string(domain::to_string(job.status));
      for (const auto* execution : executions_of_[job.id]) {
        where += ", " + name_of(execution->id) + " " + std::string(domain::to_string(execution->state));
      }
      park_.find(name_of(job.id) + " is not final ten minutes after the last fault: " + where);
      return;
    }
    int seq = 0;
    int finals = 0;
    bool started = false;
    for (const ports::JobEvent* event : events_of_[job.id]) {
      if (event->seq != ++seq) park_.find(name_of(job.id) + ": event numbers have a hole at " + std::to_string(seq));
      if (finals > 0) park_.find(name_of(job.id) + ": " + event->type + " after its final event (G3)");
      started = started || event->type == ports::event_type::kStarted;
      if (!is_final_event(event->type)) continue;
      ++finals;
      if (event->type != "job_" + std::string(domain::to_string(job.status))) {
        park_.find(name_of(job.id) + ": final event " + event->type + " of a job that is " +
                   std::string(domain::to_string(job.status)));
      }
    }
    if (finals != 1) park_.find(name_of(job.id) + " has " + std::to_string(finals) + " final events (G3)");
    if (seq != job.event_seq) park_.find(name_of(job.id) + ": event_seq disagrees with its events");
    if (job.status == JobStatus::kCompleted && !started) park_.find(name_of(job.id) + " completed without a start");
  }

  void outcome(const ports::JobRow& job, const OrderedJob& ordered) {
    const PlannedJob& plan = ordered.plan;
    if (!domain::is_final(job.status)) return;
    if (job.status == JobStatus::kCompleted) {
      // A silence that nobody could listen to long enough does not count, and a deaf node ends at last.
      const bool unheard = plan.kind == PlannedJob::Kind::kHanging && plan.silence_secs;
      if (plan.kind != PlannedJob::Kind::kGood && !unheard)
        park_.find(name_of(job.id) + " completed though its workflow cannot");
      return right_picture(job, plan);
    }
    if (job.status == JobStatus::kCancelled) {
      if (!job.cancel_requested_at) park_.find(name_of(job.id) + " was cancelled by nobody");
      return;
    }
    const std::string error = job.error ? job.error->code : "none";
    if (plan.kind == PlannedJob::Kind::kFailing && error == code::kNodeError) return blame(job, plan);
    const bool by_limit = error == code::kLimitRun || error == code::kLimitSilence;
    if (plan.kind == PlannedJob::Kind::kHanging && by_limit) return;
    // Nobody listens to what kills its listeners, as far as anybody can tell: it may be silent until it ends.
    const auto& executions = executions_of_[job.id];
    const bool unheard = plan.kind == PlannedJob::Kind::kHanging && plan.silence_secs && !executions.empty() &&
                         executions.back()->adoption_run >= domain::kPoisonedRun;
    if (unheard && error == code::kNodeError) return blame(job, plan);
    if (plan.kind == PlannedJob::Kind::kRefused && error == code::kValidationFailed) return blame(job, plan);
    if (error == code::kOutputMissing && plan.socket_pictures && job.error->node_id == "20") {
      if (socket_gap(job)) return;
      park_.find(name_of(job.id) + " misses pictures of the socket and nothing was away meanwhile");
      return;
    }
    if (!explained(job, error)) {
      park_.find(name_of(job.id) + " failed with " + error + " and no fault explains it");
    }
  }

  void blame(const ports::JobRow& job, const PlannedJob& plan) {
    if (job.error->node_id == plan.bad_node) return;
    // ComfyUI's form for a missing class names the node in its text.
    if (job.error->message.find("#" + plan.bad_node) != std::string::npos) return;
    park_.find(name_of(job.id) + " does not name the node to blame, but '" + job.error->node_id + "'");
  }

  // G10's part that belongs here: its own outputs, all of them, byte for byte.
  void right_picture(const ports::JobRow& job, const PlannedJob& plan) {
    std::vector<std::string> nodes;
    for (const auto& [key, output] : tables_.outputs) {
      if (output.job_id != job.id) continue;
      nodes.push_back(output.node_id);
      auto blob = park_.depot().blobs().find(output.sha256);
      if (blob == park_.depot().blobs().end()) {
        park_.find(name_of(job.id) + ": an output is not in the artifact store");
      } else if (blob->second != testing::file_content(plan.picture, output.node_id)) {
        park_.find(name_of(job.id) + ": output shows '" + blob->second + "'");
      }
    }
    std::sort(nodes.begin(), nodes.end());
    if (nodes != plan.out_nodes) {
      park_.find(name_of(job.id) + " completed with " + std::to_string(nodes.size()) + " outputs instead of " +
                 std::to_string(plan.out_nodes.size()));
    }
  }

  static constexpr std::initializer_list<FaultKind> kForgetsLive = {FaultKind::kComfyDie, FaultKind::kComfyForgetAll};
  static constexpr std::initializer_list<FaultKind> kForgets = {
      FaultKind::kComfyDie, FaultKind::kComfyForgetHistory, FaultKind::kComfyForgetAll, FaultKind::kComfyForgetsEnded,
      FaultKind::kComfyGapAndForgets};

  // Did a fault of this kind hit the server at a time that matters to the execution?
  bool hit(const ports::ExecutionRow& execution, std::initializer_list<FaultKind> kinds,
           absl::Duration felt_for = absl::Seconds(15)) const {
    const absl::Time from = execution.submitted_at.value_or(execution.assigned_at) - felt_for;
    const absl::Time to = execution.completed_at.value_or(absl::InfiniteFuture());
    return std::any_of(faults_.records().begin(), faults_.records().end(), [&](const FaultRecord& record) {
      if (record.comfy != park_.index_of(execution.instance_id) || record.at > to || record.until < from) return false;
      if (std::find(kinds.begin(), kinds.end(), record.kind) != kinds.end()) return true;
      // A POST that kills the server is a death for everything else on it.
      const bool death = record.kind == FaultKind::kComfyPost && record.post == PostFault::kDieOnAccept;
      return death && std::find(kinds.begin(), kinds.end(), FaultKind::kComfyDie) != kinds.end();
    });
  }

  // Was there a time in which nobody can have listened to the execution's socket?
  bool socket_gap(const ports::JobRow& job) const {
    const ports::ExecutionRow& last = *executions_of_.at(job.id).back();
    if (last.adoptions > 0) return true;
    // A socket once deaf stays so until the next prompt finds it out.
    const bool deafened = std::any_of(faults_.records().begin(), faults_.records().end(), [&](const auto& record) {
      return record.kind == FaultKind::kComfyDeaf && record.comfy == park_.index_of(last.instance_id) &&
             record.at <= last.completed_at.value_or(absl::InfiniteFuture());
    });
    return deafened ||
           // The next attempt comes up to 30 s after the server is there again; work may come before it, by polling.
           hit(last,
               {FaultKind::kComfyDropSockets, FaultKind::kComfyGapAndForgets, FaultKind::kComfyRefuse,
                FaultKind::kComfyDie},
               absl::Seconds(45));
  }

  bool explained(const ports::JobRow& job, const std::string& error) {
    if (error == code::kLimitWait) return true;  // waiting() looks at it
    const auto& executions = executions_of_[job.id];
    if (executions.empty()) return false;
    const ports::ExecutionRow& last = *executions.back();
    if (error == code::kSubmissionUnclear) {
      return faults_.post_faults().contains(last.id) || faults_.disturbed().contains(last.id) ||
             hit(last, {FaultKind::kComfyRefuse, FaultKind::kComfyDropSockets, FaultKind::kComfySlow}) ||
             hit(last, kForgets);
    }
    if (error == code::kExecutionLost || error == code::kOutputMissing) {
      // Not by gaps alone: with its history there it must complete; nor by a wiped history alone: what was heard of its
      // end without a gap must do.
      return hit(last, kForgetsLive) || (hit(last, kForgets) && socket_gap(job));
    }
    if (error == code::kInstanceFault) return hit(last, {FaultKind::kComfySick});
    if (error == code::kOutputOverwritten) return hit(last, {FaultKind::kComfyOverwrites});
    if (error == code::kSubmissionRefused) {
      return std::count_if(executions.begin(), executions.end(), [](const ports::ExecutionRow* execution) {
               return execution->state == ExecutionState::kNotAccepted;
             }) >= 3;
    }
    return false;
  }

  // G2. The servers' own books.
  void ledgers() {
    std::map<std::string, int> accepted_of_job;
    std::map<std::string, int> posted_of_execution;
    for (const auto& comfy : park_.comfies()) {
      for (const ComfyLedgerEntry& entry : comfy->ledger()) {
        if (entry.what == What::kPosted) {
          if (++posted_of_execution[entry.execution_id] == 2) {
            park_.find("execution " + entry.execution_id + " was posted twice (G2)");
          }
        }
        if (entry.what != What::kAccepted) continue;
        if (++accepted_of_job[entry.job_id] == 2) {
          park_.find("job " + entry.job_id + " was accepted by ComfyUI twice (G2)");
        }
        const base::ExecutionId id{std::strtoll(entry.execution_id.c_str(), nullptr, 10)};
        const auto* execution = park_.database().execution(id);
        if (execution == nullptr) {
          park_.find("a prompt was accepted for " + name_of(id) + ", which does not exist (G2)");
        } else if (execution->row.state == ExecutionState::kNotAccepted ||
                   execution->row.state == ExecutionState::kWithdrawn ||
                   execution->row.state == ExecutionState::kAssigned) {
          park_.find(name_of(id) + " is " + std::string(domain::to_string(execution->row.state)) +
                     " and its prompt was accepted (G2)");
        }
      }
    }
  }

  void nothing_left() {
    for (const auto& comfy : park_.comfies()) {
      if (!comfy->idle()) park_.find(comfy->name() + " still has prompts when every job is final");
    }
    for (const auto& [id, instance] : tables_.instances) {
      // One that is out of service and empty is followed by nobody.
      const bool followed = instance.row.is_enabled && !instance.row.removed_at;
      if (followed && instance.row.quarantined_at) park_.find("instance " + to_string(id) + " is still in quarantine");
    }
    for (const auto& [slot, execution] : tables_.slots) {
      if (execution)
        park_.find("a slot of instance " + to_string(slot.first) + " is still held by " + name_of(*execution));
    }
    for (const auto& [id, execution] : tables_.executions) {
      if (!domain::is_final(execution.row.state)) {
        park_.find(name_of(id) + " is still " + std::string(domain::to_string(execution.row.state)));
      } else if (!execution.row.settled_at && execution.row.state != ExecutionState::kWithdrawn) {
        park_.find(name_of(id) + " was never settled");
      }
    }
  }

  // G6. No event missed, none twice (hear() looks at order), none invented.
  void watchers() {
    for (const Watcher& watcher : workload_.watchers()) {
      const std::string who = "watcher " + std::to_string(watcher.n);
      if (!watcher.started) {
        park_.find(who + " never heard anything");
        continue;
      }
      auto heard = watcher.heard.begin();
      for (auto it = tables_.events.upper_bound(watcher.first_bound); it != tables_.events.end(); ++it) {
        const ports::JobEvent& event = it->second;
        const auto known = watcher.snapshot_seq.find(event.job_id);
        if (known != watcher.snapshot_seq.end() && event.seq <= known->second) continue;
        if (heard == watcher.heard.end() || heard->id > event.id) {
          park_.find(who + " missed event " + std::to_string(event.id) + " (G6)");
          break;
        }
        if (heard->id < event.id) break;
        if (heard->type != event.type || heard->job != event.job_id || heard->seq != event.seq) {
          park_.find(who + " heard something else as event " + std::to_string(event.id) + " (G6)");
        }
        ++heard;
      }
      if (heard != watcher.heard.end()) {
        park_.find(who + " heard event " + std::to_string(heard->id) +
                   ", which its snapshot had shown or the table does not have (G6)");
      }
    }
  }

  Park& park_;
  const testing::FakeTables& tables_;
  const Workload& workload_;
  const Faults& faults_;
  std::map<base::JobId, std::vector<const ports::ExecutionRow*>> executions_of_;
  std::map<base::JobId, std::vector<const ports::JobEvent*>> events_of_;
};

}  // namespace

void RunningChecks::after_commit() {
  for (const auto& [id, job] : park_.database().tables().jobs) {
    if (auto it = finals_.find(id); it != finals_.end()) {
      if (it->second != job.row.status) park_.find(name_of(id) + " changed its final state (G3)");
    } else if (domain::is_final(job.row.status)) {
      finals_.emplace(id, job.row.status);
    }
  }
  const auto& defects = park_.database().defects();
  for (; defects_seen_ < defects.size(); ++defects_seen_) park_.find("the database refused: " + defects[defects_seen_]);
}

bool RunningChecks::every_job_final() const {
  return finals_.size() == park_.database().tables().jobs.size();
}

void check_all(Park& park, const Workload& workload, const Faults& faults) {
  Checker(park, workload, faults).run();
}

}  // namespace renderyard::simulation
