// What the sockets have said of one prompt, and whether that is all there was to hear. Pure value; feed it the messages
// of the prompt in the order they came.
//
// The server keeps no message for a client that is away, and a client id's place in its table, once lost, comes back
// only with a new connection. So when a prompt's start and its end came on one connection, everything between came too;
// else `executed` messages, and with them output files, may be missing. Facts: the socket's messages as recorded in
// tests/recordings (finish-while-away, reconnect-same-client-id, cached-rerun).
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "libs/common/domain/comfy_message.h"

namespace renderyard::domain {

// success, error, interrupted.
std::string_view to_string(HistoryEnd end);
std::optional<HistoryEnd> history_end_from(std::string_view text);

class HeardPrompt {
 public:
  // stream: which unbroken connection it came on, from 1.
  void apply(const ComfyMessage& message, std::uint64_t stream);
  // What an earlier process had stored.
  struct Stored {
    HistoryEnd end = HistoryEnd::kError;
    std::string outputs_json;  // node id -> output; text that is no object is none
    std::optional<ExecutionError> error = {};
    bool whole = false;
    std::optional<absl::Time> ended_at = {};
  };
  void restore(Stored stored);

  bool anything() const { return anything_; }
  bool started() const { return started_; }
  // `executing` null was heard: ended in whatever way.
  bool over() const { return over_; }
  const std::optional<HistoryEnd>& end() const { return end_; }
  const std::optional<ExecutionError>& error() const { return error_; }
  // By the server's clock, where it says so.
  const std::optional<absl::Time>& ended_at() const { return ended_at_; }
  // The prompt succeeded and every one of its outputs was heard: the outputs may stand for the history's.
  bool whole() const;
  // The node outputs heard so far as one JSON object, like history's "outputs".
  std::string outputs_json() const;

 private:
  void hear_end(HistoryEnd end, std::uint64_t stream);

  bool anything_ = false;
  bool started_ = false;
  bool over_ = false;
  std::optional<HistoryEnd> end_;
  std::optional<ExecutionError> error_;
  std::optional<absl::Time> ended_at_;
  std::map<std::string, std::string> outputs_;  // node id -> output JSON
  std::uint64_t start_stream_ = 0;              // where execution_start came; 0 = not heard
  bool unbroken_ = false;                       // the end came there too
  std::set<std::string> cached_;
  bool repeats_cached_ = false;  // the server sends `executed` for cached output nodes as well
  bool restored_whole_ = false;
};

// The end of a prompt that is neither queued, nor running, nor in history.
enum class WithoutHistory {
  kUnknown,         // nothing was heard of its end
  kAsHeard,         // what was heard stands
  kOutputsMissing,  // it succeeded, and not all of its outputs are known
};
WithoutHistory without_history(const HeardPrompt& heard);

}  // namespace renderyard::domain
