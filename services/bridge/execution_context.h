// What the steps of one execution (submit, resolve, follow, collect) share, and the one way they write its state.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libs/common/base/turns.h"
#include "services/bridge/circuit_breaker.h"
#include "services/bridge/connection.h"
#include "services/bridge/deps.h"
#include "services/bridge/execution.h"
#include "services/bridge/name_turns.h"
#include "services/bridge/outlets.h"
#include "services/bridge/quarantine.h"
#include "services/bridge/router.h"
#include "services/bridge/sockets.h"

namespace renderyard::bridge {

// References outlive the execution's coroutine: all belong to its instance's worker or to the bridge.
struct ExecutionContext {
  Deps& deps;
  const Config& config;
  const HeldLease& lease;
  const ports::InstanceRow& instance;  // as last read
  ports::ComfyInstance& comfy;
  Connection& connection;
  Router& router;
  const Sockets& sockets;
  Outlets& outlets;
  Quarantine& quarantine;
  CircuitBreaker& circuit;
  base::Turns& lone_posts;
  NameTurns& name_turns;
  std::shared_ptr<Execution> execution;
  // A prompt known to be in the server's history (the last one seen finished there); empty when none is.
  std::string witness;
};

// Moves the execution's row, however long the database is away. True: it is in state step.to now, by us. False: the
// fence did not hold (another owner, or somebody moved it): the work on this execution must stop. id, epoch, from (the
// row's state) are filled in. A wish to cancel that came meanwhile is noted. CANCELLED when the worker ends.
base::Task<absl::StatusOr<bool>> persist(ExecutionContext& context, ports::Advance step);

// Convenience for final states with an error.
ports::Advance failed_with(std::string_view code, std::string message, std::string node_id = {},
                           std::string node_class = {});

// What queue, history, queue said of the prompt, in this order (a prompt moves from queue to history, so a look at
// history alone can miss it). An error means that the look failed: it says nothing.
struct Look {
  enum class Where { kAbsent, kPending, kRunning, kEnded };
  Where where = Where::kAbsent;
  std::string prompt_id;  // the server's id, when found
  std::optional<domain::HistoryEntry> entry;
};

base::Task<absl::StatusOr<Look>> look(ExecutionContext& context);

// Whether the execution holds the turn of its instance's names from now on: by its workflow, whenever that is read or
// more is known of the server's nodes; in the end by the files that its prompt left. It never waits: what is at the
// server already is there.
void keep_turn_by_workflow(ExecutionContext& context, std::string_view workflow_json);
void keep_turn_by_classes(NameTurns& turns, Execution& execution);
void keep_turn_by_files(ExecutionContext& context, bool overwritable);

// What the cache shall know of the execution, and for how long.
void remember(ExecutionContext& context);
// Gives the progress of now to subscribers; the row stays as it is.
ports::Progress publish_progress(ExecutionContext& context);
// The same, and to the database and the cache.
void report_progress(ExecutionContext& context);
// Tells people what holds the execution up, in words that name no machine; empty when nothing does any more. Repeats
// are told once.
void tell_held_up(ExecutionContext& context, std::string why);
// The words for outputs that the artifact store does not take.
std::string store_trouble(const absl::Status& status);

}  // namespace renderyard::bridge
