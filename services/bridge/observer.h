// What the bridge counts, for metrics. Every method returns at once and may be called very often. Thread-safety: on the
// strand. This class counts nothing: tests and the simulation use it as it is.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "libs/common/domain/comfy_message.h"
#include "libs/common/domain/states.h"

namespace renderyard::bridge {

// Why a job is followed by asking instead of listening.
enum class Fallback { kConnectionFailed, kTimeout, kError };

constexpr std::string_view to_string(Fallback reason) {
  switch (reason) {
    case Fallback::kConnectionFailed:
      return "connection_failed";
    case Fallback::kTimeout:
      return "timeout";
    case Fallback::kError:
      break;
  }
  return "error";
}

// By what the socket came to its end with, or could not be had for.
inline Fallback fallback_of(const absl::Status& trouble) {
  if (absl::IsUnavailable(trouble)) return Fallback::kConnectionFailed;
  return absl::IsDeadlineExceeded(trouble) ? Fallback::kTimeout : Fallback::kError;
}

// How the end of a job became known.
enum class Method { kWebSocket, kPolling };

constexpr std::string_view to_string(Method method) {
  return method == Method::kWebSocket ? "websocket" : "polling";
}

class Observer {
 public:
  virtual ~Observer() = default;

  // Of one instance; nullopt before = new here, nullopt now = another bridge's from now on.
  virtual void instance_state(std::optional<domain::InstanceStatus> /*before*/,
                              std::optional<domain::InstanceStatus> /*now*/) {}
  // again: there had been a connection under this client id before.
  virtual void connected(absl::Duration /*took*/, bool /*again*/) {}
  virtual void connect_failed() {}
  virtual void deaf_socket() {}

  virtual void message(const domain::ComfyMessage& /*message*/) {}
  // A prompt runs under a client id of ours, and no execution of ours is followed by it.
  virtual void stray() {}

  // One look at a server over REST while an execution is followed.
  virtual void polled() {}
  virtual void fell_back(Fallback /*reason*/) {}
  // Told to subscribers. latency: since the first message that it is news of, the throttle included.
  virtual void progress(absl::Duration /*latency*/) {}

  virtual void adopted() {}
  // An adopted execution has left our hands in this state.
  virtual void adoption_ended(domain::ExecutionState /*state*/) {}
  virtual void ended(domain::ExecutionState /*state*/, Method /*method*/, absl::Duration /*followed*/) {}
  // An output is in the artifact store.
  virtual void collected(std::int64_t /*bytes*/) {}

  // The database answers, or does not (any more).
  virtual void store(bool /*answers*/) {}

  virtual void subscribers(int /*now*/) {}
  virtual void slow_subscriber() {}
};

}  // namespace renderyard::bridge
