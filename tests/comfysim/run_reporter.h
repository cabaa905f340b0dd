// What a run tells its client and the history.
#ifndef RENDERYARD_TESTS_COMFYSIM_RUN_REPORTER_H_
#define RENDERYARD_TESTS_COMFYSIM_RUN_REPORTER_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tests/comfysim/generation.h"
#include "tests/comfysim/graph.h"
#include "tests/comfysim/messages.h"
#include "tests/comfysim/node_host.h"
#include "tests/comfysim/prompt_queue.h"

namespace comfysim {

// Sends the messages of one prompt in the form of a generation and gathers its history entry (protocol sections 4.4 and
// 5). Used by the worker only; lives as long as the run.
class RunReporter {
 public:
  RunReporter(const Generation& generation, MessageSink& sink, const PromptItem& item, const Graph& graph);

  // Whose messages these are; no value when the prompt came without client_id.
  const Sid& client() const { return client_; }

  void start();
  void cached(json::array nodes);
  void success();
  // `executed` are the nodes that ran, `details` what only this message has.
  void interrupted(const std::string& node, const json::array& executed);
  void error(const std::string& node, const json::array& executed, json::object details);
  // An ExecutionBlocker with a message reached the node: looks like an error, but the prompt goes on.
  void blocked(const std::string& node, const json::array& executed, const std::string& message);

  void executing(const std::string& node);
  // Progress of a node; newer servers leave most of it out (Generation::throttled_progress).
  void progress(const std::string& node, std::int64_t value, std::int64_t max, const std::optional<Preview>& preview);
  void text(const std::string& node, const std::string& text);
  void executed(const std::string& node, const NodeOutput& output);
  void finished(const std::string& node);
  // A cached node was come by. Its output counts as this prompt's.
  void reused(const std::string& node, const NodeOutput& output);
  // The output of a node goes into the history.
  void keep(const std::string& node, const NodeOutput& output);

  json::object history_entry(bool success);

 private:
  struct Progress {
    std::int64_t last_value = -1;  // reported
    std::chrono::steady_clock::time_point last_report;
  };

  void set_progress(const std::string& node, json::value value, json::value max, const char* state);
  void send_progress_state();
  void send_preview(const std::string& node, const Preview& preview, bool with_metadata);
  void send_to_client(std::string_view type, json::object data);
  void send_executed(const std::string& node, json::value ui);
  // Sends and keeps for the history; without a client only when `broadcast`.
  void add_message(std::string_view type, json::object data, bool broadcast);
  std::string class_of(const std::string& node) const { return graph_.node(node).class_type; }
  json::value parent_of(const std::string& node) const;

  const Generation& generation_;
  MessageSink& sink_;
  const PromptItem& item_;
  const Graph& graph_;
  const Sid client_;
  json::array messages_;
  json::object outputs_;
  json::object meta_;
  struct NodeState {
    json::value max;
    std::string text;  // its entry of progress_state, with its key
  };
  std::map<std::string, std::size_t> state_of_;  // index in states_
  std::vector<NodeState> states_;                // in the order of their beginnings
  std::map<std::string, Progress> reported_;
};

}  // namespace comfysim

#endif  // RENDERYARD_TESTS_COMFYSIM_RUN_REPORTER_H_
