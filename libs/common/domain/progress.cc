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

ProgressTracker::ProgressTracker(std::vector<std::string> nodes_to_run) {
  for (std::string& node : nodes_to_run) shares_.emplace(std::move(node), 0);
}

double& ProgressTracker::share_of(std::string_view node) {
  const auto known = shares_.find(absl::string_view(node.data(), node.size()));
  return known != shares_.end() ? known->second : shares_[std::string(node)];
}

void ProgressTracker::finish(std::string_view node) {
  if (node.empty()) return;
  double& share = share_of(node);
  sum_ += 1 - share;
  share = 1;
}

void ProgressTracker::report(std::string_view node, double value, double max) {
  if (node.empty()) return;
  double& share = share_of(node);
  const double now = std::max(share, fraction(value, max));
  sum_ += now - share;
  share = now;
}

void ProgressTracker::apply(const ComfyMessage& message) {
  if (const auto* cached = std::get_if<ExecutionCached>(&message)) {
    for (const auto& node : cached->nodes) finish(node);
  } else if (const auto* executing = std::get_if<Executing>(&message)) {
    // Servers without progress_state run one node after the other and say only what begins.
    if (!has_state_ && executing->node != running_) finish(running_);
    running_ = executing->node.value_or("");
    current_node_ = executing->node ? executing->display_node : "";
    if (executing->node) share_of(*executing->node);
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
    for (auto& [node, share] : shares_) share = 1;
    sum_ = static_cast<double>(shares_.size());
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
  if (shares_.empty()) return;
  // Sums of fractions are a hair off: three thirds are done.
  raise_to(static_cast<int>(100 * sum_ / static_cast<double>(shares_.size()) + 1e-9));
}

}  // namespace renderyard::domain
