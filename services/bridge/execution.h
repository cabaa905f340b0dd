// One live execution in memory: its row as last known, and what the socket has said of its prompt. The facts are set by
// hear(), synchronously, by whichever connection carries the prompt; the driver looks at them and acts.
// Thread-safety: on the strand.
#pragma once

#include <absl/time/time.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libs/common/base/event.h"
#include "libs/common/domain/comfy_message.h"
#include "libs/common/domain/progress.h"
#include "libs/common/domain/workflow.h"
#include "libs/common/ports/model.h"

namespace renderyard::bridge {

class Execution {
 public:
  Execution(ports::ExecutionRow row, base::Strand& strand, base::Clock& clock);

  // The row, as this process last read or wrote it.
  ports::ExecutionRow row;
  domain::WorkflowInfo workflow;  // empty until loaded
  domain::ProgressTracker progress;
  std::string job_type;

  // The id the server uses: its own from the answer, else the one we chose.
  const std::string& prompt_id() const;

  void hear(const domain::ComfyMessage& message);
  // A person wants it stopped.
  void wish_cancel();

  struct Heard {
    bool anything = false;
    bool started = false;
    bool over = false;  // `executing` null: ended in whatever way, history has it
    std::optional<domain::HistoryEnd> end;
    std::optional<domain::ExecutionError> error;
    std::map<std::string, std::string> outputs;  // node id -> output JSON, as `executed` said
    std::vector<domain::OutputFile> files;
    absl::Time last_at = absl::InfinitePast();
  };
  const Heard& heard() const { return heard_; }
  // The node outputs heard so far as one JSON object, like history's "outputs".
  std::string heard_outputs_json() const;

  bool cancel_wished() const { return cancel_wished_; }
  // REST saw it run although the socket did not say so.
  void saw_started() { heard_.started = true; }

  base::Event& changed() { return changed_; }

  // The graph is known: progress is counted over it, from what was stored on.
  void load(domain::WorkflowInfo info);

  std::string outputs_from = "history";           // or "events": the socket, when history had been wiped
  bool posting = false;                           // its POST is in flight
  absl::Time posted_at = absl::InfiniteFuture();  // by this process, else in the infinite future

 private:
  base::Clock& clock_;
  base::Event changed_;
  Heard heard_;
  bool cancel_wished_ = false;
};

}  // namespace renderyard::bridge
