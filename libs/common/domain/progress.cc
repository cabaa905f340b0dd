#include "libs/common/domain/progress.h"

#include <algorithm>
#include <utility>

namespace renderyard::domain {

namespace {

constexpr int kMost = 99;  // 100 is said only by who knows that the job is completed

double fraction(double value, double max) {
  if (!(max > 0) || !(value > 0)) return 0;
  return std::min(value / max, 1.0);
}

}  // namespace

ProgressTracker::ProgressTracker(std::vector<std::string> nodes_to_run)
    : known_(nodes_to_run.begin(), nodes_to_run.end()) {}

void ProgressTracker::finish(const std::string& node) {
  if (node.empty()) return;
  known_.insert(node);
  done_.insert(node);
}

void ProgressTracker::report(const std::string& node, double value, double max) {
  if (node.empty()) return;
  known_.insert(node);
  auto& best = fraction_[node];
  best = std::max(best, fraction(value, max));
}

void ProgressTracker::apply(const ComfyMessage& message) {
  if (const auto* cached = std::get_if<ExecutionCached>(&message)) {
    for (const auto& node : cached->nodes) finish(node);
  } else if (const auto* executing = std::get_if<Executing>(&message)) {
    // Servers without progress_state run one node after the other and say only what begins.
    if (!has_state_ && executing->node != running_) finish(running_);
    running_ = executing->node.value_or("");
    current_node_ = executing->node ? executing->display_node : "";
    if (executing->node) known_.insert(*executing->node);
  } else if (const auto* progress = std::get_if<NodeProgress>(&message)) {
    report(progress->node.empty() ? running_ : progress->node, progress->value, progress->max);
  } else if (const auto* state = std::get_if<ProgressState>(&message)) {
    has_state_ = true;
    for (const auto& node : state->nodes) {
      if (node.finished) {
        finish(node.id);
      } else {
        report(node.id, node.value, node.max);
      }
    }
  } else if (const auto* executed = std::get_if<Executed>(&message)) {
    finish(executed->node);
  } else if (std::holds_alternative<ExecutionSuccess>(message)) {
    // Nodes that lazy evaluation left out will not run any more.
    done_ = known_;
    current_node_.clear();
  } else {
    return;
  }
  recompute();
}

void ProgressTracker::raise_to(int percent) {
  percent_ = std::max(percent_, std::clamp(percent, 0, kMost));
}

void ProgressTracker::recompute() {
  if (known_.empty()) return;
  double sum = static_cast<double>(done_.size());
  for (const auto& [node, part] : fraction_) {
    if (!done_.contains(node)) sum += part;
  }
  raise_to(static_cast<int>(100 * sum / static_cast<double>(known_.size())));
}

}  // namespace renderyard::domain
