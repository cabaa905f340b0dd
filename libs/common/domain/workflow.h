// A workflow in ComfyUI's API format: checks at the door, what it needs, and its preparation for one execution. Pure.
// The text the user sent is kept as it is (seeds beyond 2^53 stay exact); only what is sent to ComfyUI is derived from
// it.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace renderyard::domain {

struct WorkflowNode {
  std::string class_type;
  std::string title;  // _meta.title, may be empty
};

struct WorkflowInfo {
  std::map<std::string, WorkflowNode> nodes;  // by node id
  std::vector<std::string> classes;           // sorted, unique
  std::string needs_key;                      // hex SHA-256 prefix over classes (and later models, wishes)
};

// The node that this id belongs to: itself, or the one that became it while it ran ("5" became "5.0.0.1": its id, and
// more after a dot). nullptr: none of these.
const WorkflowNode* node_behind(const WorkflowInfo& workflow, std::string_view id);

// INVALID_ARGUMENT with a message that names the field and the remedy, prefixed by the error code and ": "
// ("ui_workflow: …" for the UI format with how to export the API format; "invalid_workflow: …"; "unstorable_text: …").
absl::StatusOr<WorkflowInfo> inspect_workflow(std::string_view workflow_json);

// The body for POST /prompt: the user's workflow with every literal filename_prefix put under
// "renderyard/<execution id>/" (when unique_prefix), client_id, prompt_id (left out when empty) and
// extra_data.renderyard = {execution_id, job_id, prompt_id}: on servers that choose prompt ids themselves the last one
// is how the prompt is known again. extra_data_json: the job's own extra_data object text or empty. Numbers of the
// workflow stay exact, text of it is copied where it is not changed.
absl::StatusOr<std::string> prompt_body(std::string_view workflow_json, std::string_view client_id,
                                        std::string_view prompt_id, std::string_view execution_id,
                                        std::string_view job_id, std::string_view extra_data_json, bool unique_prefix);

}  // namespace renderyard::domain
