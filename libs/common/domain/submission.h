// What a POST /prompt came to. classify_post() is the one place that decides it; the proof is stored with the
// execution.
//
//  accepted      200 with a prompt id (possibly with node_errors: accepted with loss)
//  refused       ComfyUI's own words against the workflow (400 in its form, 413 with its text): the job fails
//  not_accepted  proven: connect failed; the body was not fully handed to the kernel; 401, 403, 404, 405 (then the
//                instance is misconfigured)
//  unclear       everything else: reset, timeout, 429, 5xx, a proxy's page. Look before anything is sent again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libs/common/domain/states.h"

namespace renderyard::domain {

// What the transport saw. Written by the adapter, on a connection of its own, never re-sent.
struct PostOutcome {
  enum class Kind {
    kConnectFailed,  // no connection: not a byte left
    kNotSent,        // connected, but the request was not fully handed to the kernel before it failed
    kAnswered,       // a complete HTTP answer was read
    kUnclear,        // fully handed over, no complete answer (reset, timeout)
  };
  Kind kind = Kind::kUnclear;
  int http_status = 0;
  std::string content_type;
  std::string body;
  std::string error;  // for people and logs, never with secrets
};

struct NodeFault {
  std::string node_id;
  std::string node_class;
  std::string message;
};

struct PostVerdict {
  enum class Kind { kAccepted, kRefused, kNotAccepted, kUnclear };
  Kind kind = Kind::kUnclear;
  std::string proof;              // stored as executions.outcome_proof, e.g. "answered_200", "connect_failed"
  std::string prompt_id;          // accepted: the id the server uses
  std::string error_type;         // refused: ComfyUI's error.type
  std::string message;            // refused: ComfyUI's message and details; unclear: what happened
  std::vector<NodeFault> faults;  // refused, or accepted with loss: per node
  bool instance_misconfigured = false;
};

PostVerdict classify_post(const PostOutcome& outcome);

// What was left out of an accepted prompt: a JSON array of {code, message, node_id, node_class}, code
// kAcceptedWithLoss; at most kMostWarnings entries, of which the last then says how many more there are.
std::string loss_json(const std::vector<NodeFault>& faults);
inline constexpr std::string_view kAcceptedWithLoss = "accepted_with_loss";
inline constexpr std::size_t kMostWarnings = 20;

// Where an absent prompt may be called not accepted without hearing it from ComfyUI. All must hold (DESIGN: strong
// evidence); anything else stays unclear.
struct AbsenceEvidence {
  bool sender_is_gone = false;    // it was this very process, or a predecessor on this host that is dead
  bool taken_over = false;        // by another bridge id
  bool same_server_life = false;  // the same socket stayed open and answered, or a witness prompt is still in history
  bool behind_proxy = false;
  bool unknown_heard = false;         // a prompt that nobody knows ran meanwhile, where the server chooses the ids
  int absent_rounds = 0;              // complete looks (queue, history, queue) since the POST's connection was gone
  double seconds_between_rounds = 0;  // first to last
};

inline constexpr double kSubmitSettleSeconds = 10;

bool is_strong(const AbsenceEvidence& evidence);

// executions.outcome_proof where the prompt was not seen, though it may have been sent.
inline constexpr std::string_view kAbsentStrong = "absent_strong";  // not_accepted
inline constexpr std::string_view kUnclear = "unclear";             // lost

// An execution that ended so, while its prompt may yet appear at the instance.
bool may_surface(ExecutionState state, std::string_view outcome_proof);

}  // namespace renderyard::domain
