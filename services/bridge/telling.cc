#include "services/bridge/telling.h"

#include <algorithm>
#include <utility>

namespace renderyard::bridge {

namespace {

ports::ExecutionRef ref_of(const HeldLease& lease, const Execution& execution) {
  ports::ExecutionRef ref;
  ref.job_id = execution.row.job_id;
  ref.user_id = execution.row.user_id;
  ref.execution_id = execution.row.id;
  ref.owner_epoch = lease.epoch;
  ref.instance_id = execution.row.instance_id;
  ref.prompt_id = execution.prompt_id();
  return ref;
}

// A message of gRPC's clients has 4 MiB at most, when they say nothing else.
constexpr std::size_t kLargestPreview = std::size_t{2} << 20;

bool is_end_of_a_job(domain::ExecutionState state) {
  using domain::ExecutionState;
  return state == ExecutionState::kCompleted || state == ExecutionState::kFailed ||
         state == ExecutionState::kCancelled || state == ExecutionState::kLost;
}

}  // namespace

void tell_heard(Deps& deps, const HeldLease& lease, Outlets& outlets, const Execution& execution,
                const domain::ComfyMessage& message) {
  if (const auto* executing = std::get_if<domain::Executing>(&message); executing != nullptr && executing->node) {
    ports::NodeStarted node;
    node.execution = ref_of(lease, execution);
    node.node_id = executing->display_node.empty() ? *executing->node : executing->display_node;
    if (const auto it = execution.workflow.nodes.find(node.node_id); it != execution.workflow.nodes.end()) {
      node.node_class = it->second.class_type;
      node.node_title = it->second.title;
    }
    node.at = deps.clock.wall();
    outlets.events.publish(std::move(node));
    return;
  }
  const auto* picture = std::get_if<domain::PreviewImage>(&message);
  if (picture == nullptr || !outlets.events.wants_previews()) return;
  if (execution.pictures.nodes().contains(picture->node_id)) return;  // an output
  if (picture->data.size() > kLargestPreview) return;
  ports::Preview preview;
  preview.execution = ref_of(lease, execution);
  preview.node_id = picture->node_id;
  preview.content_type = picture->content_type;
  preview.image = std::make_shared<const std::string>(picture->data);
  preview.at = deps.clock.wall();
  outlets.events.publish(std::move(preview));
}

void tell_fallback(ExecutionContext& context, const absl::Status& trouble) {
  const Fallback reason = fallback_of(trouble);
  context.deps.observer.fell_back(reason);
  context.deps.journal.warning("comfyui_websocket_fallback", {{base::key::kInstance, context.lease.instance_id},
                                                              {base::key::kExecution, context.execution->row.id},
                                                              {base::key::kJob, context.execution->row.job_id},
                                                              {base::key::kPrompt, context.execution->prompt_id()},
                                                              {base::key::kReason, to_string(reason)}});
}

void tell_end(Deps& deps, const HeldLease& lease, Outlets& outlets, const Execution& execution) {
  using domain::ExecutionState;
  const ExecutionState state = execution.row.state;
  if (execution.adopted && domain::is_final(state)) deps.observer.adoption_ended(state);
  if (!is_end_of_a_job(state)) return;
  const domain::HeardPrompt& heard = execution.heard();
  const Method method = heard.over() || heard.end() ? Method::kWebSocket : Method::kPolling;
  const absl::Time begun = std::min(execution.begun_at, execution.posted_at);
  const absl::Duration followed = deps.clock.now() - begun;
  deps.observer.ended(state, method, followed);
  const bool completed = state == ExecutionState::kCompleted;
  const std::string code = execution.row.error ? execution.row.error->code : "";
  deps.journal.info(completed ? "comfyui_job_websocket_completed" : "comfyui_job_websocket_failed",
                    {{base::key::kInstance, lease.instance_id},
                     {base::key::kExecution, execution.row.id},
                     {base::key::kJob, execution.row.job_id},
                     {base::key::kPrompt, execution.prompt_id()},
                     {base::key::kState, domain::to_string(state)},
                     {base::key::kCode, completed ? "" : code},
                     {base::key::kElapsedMs, absl::ToInt64Milliseconds(followed)},
                     {"progress_updates", execution.progress_updates},
                     {"method", to_string(method)}});
  ports::ExecutionEnded end;
  end.execution = ref_of(lease, execution);
  end.state = state;
  if (!completed) end.error = execution.row.error;
  end.outputs = execution.outputs;
  end.at = deps.clock.wall();
  outlets.events.publish(std::move(end));
}

}  // namespace renderyard::bridge
