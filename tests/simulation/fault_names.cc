// The faults as traces and the coverage table call them.
#include "tests/simulation/faults.h"

namespace renderyard::simulation {

using PostFault = testing::FakeComfy::PostFault;

std::string to_string(FaultKind kind, PostFault post) {
  switch (kind) {
    case FaultKind::kKillBridge:
      return "kill_bridge";
    case FaultKind::kKillDispatcher:
      return "kill_dispatcher";
    case FaultKind::kKillGateway:
      return "kill_gateway";
    case FaultKind::kStopBridge:
      return "stop_bridge";
    case FaultKind::kStopDispatcher:
      return "stop_dispatcher";
    case FaultKind::kStopGateway:
      return "stop_gateway";
    case FaultKind::kComfyPost:
      switch (post) {
        case PostFault::kRefuseConnection:
          return "post_refused";
        case PostFault::kNotSent:
          return "post_not_sent";
        case PostFault::kBusy503:
          return "post_503";
        case PostFault::kReadLate:
          return "post_read_late";
        case PostFault::kLoseAnswer:
          return "post_answer_lost";
        case PostFault::kAnswer500Queued:
          return "post_500_but_queued";
        case PostFault::kDieOnAccept:
          return "post_kills_server";
      }
      return "post";
    case FaultKind::kComfyRefuse:
      return "comfy_refuses";
    case FaultKind::kComfyDie:
      return "comfy_dies";
    case FaultKind::kComfyForgetHistory:
      return "comfy_history_wiped";
    case FaultKind::kComfyForgetAll:
      return "comfy_all_wiped";
    case FaultKind::kComfyForgetsEnded:
      return "comfy_forgets_ended";
    case FaultKind::kComfyGapAndForgets:
      return "comfy_gap_and_forgets";
    case FaultKind::kComfyDropSockets:
      return "comfy_drops_sockets";
    case FaultKind::kComfyDeaf:
      return "comfy_deaf_socket";
    case FaultKind::kComfyOverwrites:
      return "comfy_overwrites";
    case FaultKind::kComfyHistoryLag:
      return "comfy_history_lags";
    case FaultKind::kComfySick:
      return "comfy_sick";
    case FaultKind::kComfySlow:
      return "comfy_slow";
    case FaultKind::kDatabaseAway:
      return "database_away";
    case FaultKind::kDatabaseAnswersLost:
      return "database_answers_lost";
    case FaultKind::kDatabaseHeld:
      return "database_held_open";
    case FaultKind::kCallsLost:
      return "calls_lost";
    case FaultKind::kStreamsBreak:
      return "streams_break";
    case FaultKind::kHintsLost:
      return "hints_lost";
    case FaultKind::kArtifactsFull:
      return "artifacts_full";
    case FaultKind::kRedisAway:
      return "redis_away";
    case FaultKind::kInstanceDrained:
      return "instance_drained";
    case FaultKind::kInstanceDisabled:
      return "instance_disabled";
    case FaultKind::kInstanceMoved:
      return "instance_moved";
    case FaultKind::kInstanceRemoved:
      return "instance_removed";
  }
  return "?";
}

}  // namespace renderyard::simulation
