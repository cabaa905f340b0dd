// Progress of one prompt over its submitted graph, 0 to 100 %, monotone; 100 only at completed (requirement W1).
// Cached and finished nodes count as one each, running ones as the fraction they report, over all nodes to run, nodes
// that expansion adds included. Pure value; feed it messages in any order, repeats are harmless.
#pragma once

#include <map>
#include <set>
#include <string>
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
  void finish(const std::string& node);
  void report(const std::string& node, double value, double max);
  void recompute();
  std::set<std::string> known_;  // done_ is a part of it, and so are the keys of fraction_
  std::set<std::string> done_;
  std::map<std::string, double> fraction_;
  std::string running_;  // the id in the executed graph, current_node_ the one the user knows
  std::string current_node_;
  bool has_state_ = false;  // the server sends progress_state
  int percent_ = 0;
};

}  // namespace renderyard::domain
