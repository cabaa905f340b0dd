// What a ComfyUI server says, parsed: WebSocket frames, history entries, queue listings and the answer to POST /prompt.
// Pure. Tolerant as the protocol demands: bare NaN and Infinity become null, U+0000 becomes U+FFFD, integers may come
// as floats, unknown types and fields survive. Malformed input is an error status, never a crash. Source of all facts:
// ComfyUI's server.py and execution.py as recorded in tests/recordings.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace renderyard::domain {

class ComfyParser;

struct ComfyStatus {
  std::optional<int> queue_remaining;
  std::string sid;  // only in the first message of a connection
};

struct ExecutionStart {
  std::string prompt_id;
};

struct ExecutionCached {
  std::string prompt_id;
  std::vector<std::string> nodes;
};

// node empty = the prompt is over, in whatever way. prompt_id is empty in the message sent at reconnect.
struct Executing {
  std::string prompt_id;
  std::optional<std::string> node;
  std::string display_node;  // the id the user knows; equals node on servers that do not send it
};

struct NodeProgress {
  std::string prompt_id;  // empty on servers that do not send it
  std::string node;
  double value = 0;
  double max = 0;
};

struct NodeState {
  std::string id;
  double value = 0;
  double max = 1;
  bool finished = false;
};

// Full list of the nodes begun so far in this prompt, in the server's order.
struct ProgressState {
  std::string prompt_id;
  std::vector<NodeState> nodes;
};

// A file an output node made. kind is the key in the node's output ("images", "gifs", "audio", …).
struct OutputFile {
  std::string node_id;
  std::string kind;
  std::string filename;
  std::string subfolder;
  std::string type;  // "output", "temp" or "input"
};

// One output node is done; not the end of the prompt.
struct Executed {
  std::string prompt_id;
  std::string node;
  std::string display_node;
  std::string output_json;  // normalised JSON text, "null" for cached nodes of some versions
  std::vector<OutputFile> files;
};

struct ExecutionSuccess {
  std::string prompt_id;
  std::optional<absl::Time> at = {};  // the server's clock
};

struct ExecutionError {
  std::string prompt_id;
  std::string node_id;
  std::string node_type;
  std::string message;  // exception_message, trimmed; the traceback is not kept
  std::string exception_type;
  bool ends_prompt = true;  // false for ExecutionBlocked, which is a note from one branch
};

struct ExecutionInterrupted {
  std::string prompt_id;
  std::string node_id;
  std::string node_type;
};

// Binary frames of types 1 and 4. Type 1 has neither prompt nor node.
struct PreviewImage {
  std::string prompt_id;
  std::string node_id;
  std::string content_type;  // image/jpeg or image/png
  std::string data;
};

struct TextFrame {
  std::string node_id;
  std::string text;
};

struct FeatureFlags {
  std::string json;
};

struct UnknownMessage {
  std::string type;  // "binary:<n>" for binary frames
};

using ComfyMessage = std::variant<ComfyStatus, ExecutionStart, ExecutionCached, Executing, NodeProgress, ProgressState,
                                  Executed, ExecutionSuccess, ExecutionError, ExecutionInterrupted, PreviewImage,
                                  TextFrame, FeatureFlags, UnknownMessage>;

absl::StatusOr<ComfyMessage> parse_text_frame(std::string_view text);
absl::StatusOr<ComfyMessage> parse_text_frame(std::string_view text, ComfyParser& parser);  // for streams of them
absl::StatusOr<ComfyMessage> parse_binary_frame(std::string_view bytes);

// The prompt a message speaks of; empty when it speaks of none.
std::string_view prompt_id_of(const ComfyMessage& message);

enum class HistoryEnd { kSuccess, kError, kInterrupted };

// What /history/{id} says of a finished prompt.
struct HistoryEntry {
  HistoryEnd end = HistoryEnd::kError;
  std::vector<OutputFile> files;
  std::string outputs_json;             // normalised JSON text of "outputs"
  std::optional<ExecutionError> error;  // when end is kError
  std::optional<ExecutionInterrupted> interrupted;
  std::string execution_id;  // extra_data.renderyard.execution_id, empty when absent
  // The server's clock, at its last message; absent on servers whose messages have no time stamps (mid 2024).
  std::optional<absl::Time> ended_at;
};

// The entry of `prompt_id`; nullopt when the server does not (or not yet) know its end.
absl::StatusOr<std::optional<HistoryEntry>> parse_history(std::string_view text, std::string_view prompt_id);

struct QueueItem {
  std::string prompt_id;
  std::string chosen_id;  // extra_data.renderyard.prompt_id: the id its sender chose, empty for strangers
  double number = 0;
};

struct QueueListing {
  std::vector<QueueItem> running;
  std::vector<QueueItem> pending;
  const QueueItem* find(std::string_view prompt_id) const;
  bool is_running(std::string_view prompt_id) const;
};

// `pending` comes sorted in the order of running.
absl::StatusOr<QueueListing> parse_queue(std::string_view text);

// Every entry of a /history listing, in the server's order (oldest first).
absl::StatusOr<std::vector<QueueItem>> parse_history_listing(std::string_view text);

}  // namespace renderyard::domain
