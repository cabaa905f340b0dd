// One live execution in memory: its row as last known, and what the socket has said of its prompt. The facts are set by
// hear(), synchronously, by whichever connection carries the prompt; the driver looks at them and acts.
// Thread-safety: on the strand.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/event.h"
#include "libs/common/domain/heard_prompt.h"
#include "libs/common/domain/limits.h"
#include "libs/common/domain/progress.h"
#include "libs/common/domain/socket_pictures.h"
#include "libs/common/domain/workflow.h"
#include "libs/common/ports/execution_store.h"
#include "libs/common/ports/model.h"
#include "services/bridge/name_turns.h"

namespace renderyard::bridge {

// Where a completed execution's outputs were read.
inline constexpr char kFromHistory[] = "history";
inline constexpr char kFromEvents[] = "events";  // the socket, when history had been wiped

class Execution {
 public:
  Execution(ports::ExecutionRow row, base::Strand& strand, base::Clock& clock);

  // The row, as this process last read or wrote it.
  ports::ExecutionRow row;
  domain::WorkflowInfo workflow;  // empty until loaded
  domain::JobLimits limits;       // none until loaded
  domain::ProgressTracker progress;
  // For the cache.
  std::string job_type, character_id, cluster_epoch;

  // The id the server uses: its own from the answer, else the one we chose.
  const std::string& prompt_id() const;

  // stream: Router::new_stream() of the connection it came on.
  void hear(const domain::ComfyMessage& message, std::uint64_t stream);
  // Outputs that came on the socket alone, to be taken by whoever stores them.
  domain::SocketPictures pictures;
  // A person wants it stopped.
  void wish_cancel();

  // An operator ended it: whoever drives it stops.
  void give_up();
  bool given_up() const { return given_up_; }

  const domain::HeardPrompt& heard() const { return heard_; }
  absl::Time last_heard_at() const { return last_heard_at_; }
  // ComfyUI has begun to run it.
  bool started() const { return seen_running_ || heard_.started(); }
  // REST saw it run although the socket did not say so.
  void saw_started() { seen_running_ = true; }

  bool cancel_wished() const { return cancel_wished_; }

  base::Event& changed() { return changed_; }

  // What of the job it takes to drive this.
  void know_job(const ports::StartedExecution& loaded);
  // The graph is known: progress is counted over it, from what was stored on.
  void load(domain::WorkflowInfo info);

  // The database's clock at a moment of ours, as far as its last reading tells (late by that answer's way to us).
  absl::Time database_time(absl::Time local) const { return row.read_at + (local - read_at_); }
  // The row as it was read just now replaces the one we had.
  void replace_row(ports::ExecutionRow now);

  // Called for every message of its prompt, when that was taken in.
  std::function<void(const domain::ComfyMessage&)> on_heard;

  const absl::Time begun_at;                              // this process has had it since
  bool adopted = false;                                   // from an earlier process or another bridge
  int progress_updates = 0;                               // told to subscribers
  absl::Time progress_heard_at = absl::InfiniteFuture();  // the first message that was not told yet
  std::vector<ports::OutputRow> outputs;                  // when completed

  std::string outputs_from = kFromHistory;
  // What people are told beside the progress: why it does not come to its end (empty: nothing is known), and since when
  // it is silent, by our clock.
  std::string held_up_by;
  std::optional<absl::Time> silent_since;
  // Is there more progress than the row has, which is what was told last?
  bool has_progress_news() const {
    return progress.percent() != row.progress_percent || progress.current_node() != row.current_node.value_or("");
  }
  // Which messages that say nothing but progress wake whoever follows. A prompt of many steps says little else, often,
  // and mostly what makes no difference of a percent.
  enum class ProgressWakes {
    kAlways,
    kByNews,  // what was told still holds
    kNever,   // there is something to tell, and its time is set
  };
  ProgressWakes progress_wakes = ProgressWakes::kAlways;
  bool rest_only = false;  // its messages kill those who read them: nobody does
  bool posting = false;    // its POST is in flight, or about to be
  // While its files may lie under names that others use too. By which classes, as long as nothing but its workflow
  // tells.
  std::optional<NameTurns::Turn> name_turn;
  std::optional<domain::NodeClasses> name_classes;
  // By this process, else in the infinite future: its POST began, and was answered or given up.
  absl::Time posted_at = absl::InfiniteFuture();
  absl::Time answered_at = absl::InfiniteFuture();

 private:
  base::Clock& clock_;
  base::Event changed_;
  domain::HeardPrompt heard_;
  absl::Time last_heard_at_ = absl::InfinitePast();
  absl::Time read_at_;  // by our clock
  bool seen_running_ = false;
  bool cancel_wished_ = false;
  bool given_up_ = false;
};

}  // namespace renderyard::bridge
