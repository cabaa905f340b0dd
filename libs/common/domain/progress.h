// Progress of one prompt over its submitted graph, 0 to 100 %, monotone; 100 only at completed (requirement W1).
// Cached and finished nodes count as one each, running ones as the fraction they report, over all nodes to run, nodes
// that expansion adds included. A message costs what it says, not what the graph is large. Pure value; feed it messages
// in any order, repeats are harmless.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <string>
#include <string_view>
#include <vector>

#include "libs/common/domain/comfy_message.h"

namespace renderyard::domain {

class ProgressTracker {
 public:
  // nodes_to_run: ids of the nodes of the workflow that lead to its outputs.
  explicit ProgressTracker(std::vector<std::string> nodes_to_run);

  void apply(const ComfyMessage& message);
  // Whole percent, 0 … 99, never less than before.
  int percent() const { return percent_; }
  // Never report less than this (what was stored before a restart).
  void raise_to(int percent);
  // The node that runs now, by the id the user knows; empty when none.
  const std::string& current_node() const { return current_node_; }

 private:
  // One node's part of the whole, 1 when it is done.
  double& share_of(std::string_view node);
  void finish(std::string_view node);
  void report(std::string_view node, double value, double max);
  void recompute();
  absl::flat_hash_map<std::string, double> shares_;  // of all nodes to run; nothing depends on its order
  double sum_ = 0;                                   // of the shares
  std::string running_;  // the id in the executed graph, current_node_ the one the user knows
  std::string current_node_;
  bool has_state_ = false;  // the server sends progress_state
  int percent_ = 0;
};

}  // namespace renderyard::domain
