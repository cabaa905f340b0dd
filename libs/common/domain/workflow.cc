#include "libs/common/domain/workflow.h"

#include <absl/strings/str_cat.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "libs/common/base/json.h"
#include "libs/common/domain/error_code.h"
#include "libs/common/domain/json_text.h"

namespace renderyard::domain {

namespace {

using base::to_absl;

// A node's name in a message; whole names may be megabytes.
std::string shown(std::string_view name) {
  constexpr std::size_t kMost = 60;
  if (name.size() <= kMost) return std::string(name);
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat(to_absl(name.substr(0, end)), "…");
}

absl::Status refuse(std::string_view code, std::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat(to_absl(code), ": ", to_absl(message)));
}

absl::Status invalid(std::string_view message) {
  return refuse(code::kInvalidWorkflow, message);
}

std::string sha256_prefix(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::size_t kBytes = 16;
  std::string out;
  for (std::size_t i = 0; i < kBytes; ++i) {
    out += kHex[digest[i] >> 4];
    out += kHex[digest[i] & 15];
  }
  return out;
}

absl::Status check_shape(const std::vector<JsonMember>& members) {
  const auto is = [&members](std::string_view key, auto test) {
    return std::any_of(members.begin(), members.end(),
                       [key, test](const JsonMember& member) { return member.key == key && test(member.value); });
  };
  // The format of ComfyUI's canvas. A node of the API format is an object, so a node may still be called "nodes".
  if (is("nodes", is_json_array)) {
    return refuse(
        code::kUiWorkflow,
        "this is the UI format of a workflow (it has `nodes` and `links`). Export the API format: in ComfyUI "
        "Workflow → Export (API); in older versions switch on dev mode in the settings, then Save (API Format)");
  }
  if (is("prompt", is_json_object) && json_member(members.front().value, "class_type").empty()) {
    return invalid("this looks like a body for ComfyUI's POST /prompt: send the object under `prompt` as the workflow");
  }
  return absl::OkStatus();
}

absl::StatusOr<WorkflowNode> read_node(const JsonMember& member) {
  if (!is_json_object(member.value)) {
    return invalid(absl::StrCat("node \"", shown(member.key), "\" is no object {class_type, inputs}"));
  }
  WorkflowNode node;
  bool inputs = false;
  for (const auto& part : json_members(member.value)) {
    if (part.key == "class_type" && is_json_string(part.value)) node.class_type = json_string(part.value);
    if (part.key == "inputs") inputs = is_json_object(part.value);
    if (part.key == "_meta" && is_json_object(part.value)) {
      const auto title = json_member(part.value, "title");
      if (is_json_string(title)) node.title = json_string(title);
    }
  }
  if (node.class_type.empty()) {
    return invalid(absl::StrCat("node \"", shown(member.key),
                                "\" has no class_type; every member of a workflow in the API format is a node "
                                "{class_type, inputs}"));
  }
  if (!inputs) {
    return invalid(absl::StrCat("node \"", shown(member.key), "\" (", shown(node.class_type),
                                ") has no object `inputs`; use {} when it takes none"));
  }
  return node;
}

}  // namespace

absl::StatusOr<WorkflowInfo> inspect_workflow(std::string_view workflow_json) {
  if (const auto status = check_json_text(workflow_json); !status.ok()) {
    const bool unstorable = absl::IsFailedPrecondition(status);
    return refuse(unstorable ? code::kUnstorableText : code::kInvalidWorkflow,
                  absl::StrCat("the workflow is refused: ", status.message(), unstorable ? "; remove it" : ""));
  }
  const auto members = json_members(workflow_json);
  const auto first = workflow_json.find_first_not_of(" \t\r\n");
  if (!is_json_object(workflow_json.substr(first))) {
    return invalid("a workflow is a JSON object: node id → {class_type, inputs}");
  }
  if (members.empty()) return invalid("the workflow has no nodes");
  if (const auto status = check_shape(members); !status.ok()) return status;

  WorkflowInfo info;
  for (const auto& member : members) {
    auto node = read_node(member);
    if (!node.ok()) return node.status();
    info.classes.push_back(node->class_type);
    // ComfyUI would silently take the last one.
    if (!info.nodes.emplace(member.key, *std::move(node)).second) {
      return invalid(absl::StrCat("the node id \"", shown(member.key), "\" stands twice"));
    }
  }
  // Links to nodes that are not there are left to ComfyUI: it judges only what its outputs need.
  std::sort(info.classes.begin(), info.classes.end());
  info.classes.erase(std::unique(info.classes.begin(), info.classes.end()), info.classes.end());
  std::string material;
  for (const auto& name : info.classes) absl::StrAppend(&material, name.size(), ":", name, "\n");
  info.needs_key = sha256_prefix(material);
  return info;
}

const WorkflowNode* node_behind(const WorkflowInfo& workflow, std::string_view id) {
  for (;;) {
    const auto it = workflow.nodes.find(std::string(id));
    if (it != workflow.nodes.end()) return &it->second;
    const auto dot = id.rfind('.');
    if (dot == std::string_view::npos) return nullptr;
    id = id.substr(0, dot);
  }
}

}  // namespace renderyard::domain
