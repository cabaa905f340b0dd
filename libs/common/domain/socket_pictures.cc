#include "libs/common/domain/socket_pictures.h"

#include <absl/strings/str_cat.h>

#include <utility>
#include <variant>

#include "libs/common/domain/comfy_json.h"

namespace renderyard::domain {

namespace {

constexpr std::string_view kClass = "SaveImageWebsocket";

void append_member(std::string& json, std::string_view key, std::string_view value) {
  if (json.size() > 1) json += ',';
  append_json_string(json, key);
  json += ':';
  json += value;
}

}  // namespace

std::set<std::string> socket_picture_nodes(const WorkflowInfo& workflow) {
  std::set<std::string> nodes;
  for (const auto& [id, node] : workflow.nodes) {
    if (node.class_type == kClass) nodes.insert(id);
  }
  return nodes;
}

void SocketPictures::apply(const ComfyMessage& message, std::uint64_t stream) {
  if (nodes_.empty()) return;
  if (std::holds_alternative<ExecutionStart>(message)) {
    start_stream_ = stream;
  } else if (const auto* cached = std::get_if<ExecutionCached>(&message)) {
    cached_.insert(cached->nodes.begin(), cached->nodes.end());
  } else if (const auto* executing = std::get_if<Executing>(&message)) {
    // Servers without progress_state run one node after the other: the next one's start is the end of the last.
    if (!executing->node || !says_finished_) end_nodes(stream);
    if (!executing->node) {
      end_stream_ = stream;
    } else if (nodes_.contains(*executing->node)) {
      heard_[*executing->node].begun_on = stream;
    }
  } else if (const auto* state = std::get_if<ProgressState>(&message)) {
    says_finished_ = true;
    for (const NodeState& node : state->nodes) {
      auto it = heard_.find(node.id);
      if (node.finished && it != heard_.end() && it->second.begun_on == stream) it->second.heard_all = true;
    }
  } else if (std::holds_alternative<ExecutionSuccess>(message)) {
    end_nodes(stream);
    end_stream_ = stream;
  } else if (const auto* picture = std::get_if<PreviewImage>(&message)) {
    if (picture->content_type != "image/png") return;
    auto it = heard_.find(picture->node_id);
    if (it == heard_.end() || it->second.begun_on != stream || it->second.heard_all) return;
    if (waiting_bytes_ + picture->data.size() > kMostWaiting) {
      it->second.dropped = true;
      return;
    }
    waiting_bytes_ += picture->data.size();
    waiting_.push_back({picture->node_id, picture->data});
  }
}

void SocketPictures::end_nodes(std::uint64_t stream) {
  for (auto& [id, node] : heard_) {
    if (node.begun_on == stream) node.heard_all = true;
  }
}

void SocketPictures::pop() {
  waiting_bytes_ -= waiting_.front().png.size();
  waiting_.pop_front();
}

std::optional<std::string> SocketPictures::incomplete() const {
  const bool heard_prompt = start_stream_ != 0 && start_stream_ == end_stream_;
  for (const std::string& id : nodes_) {
    const auto it = heard_.find(id);
    if (it == heard_.end()) {
      // Whoever heard every word knows that it did not run (it was blocked, or its branch was left out). A cached one
      // sent its pictures to somebody else.
      if (!heard_prompt || cached_.contains(id)) return id;
    } else if (!it->second.heard_all || it->second.dropped) {
      return id;
    }
  }
  return std::nullopt;
}

std::string with_pictures(std::string_view outputs_json, const std::set<std::string>& nodes,
                          const std::vector<KeptPicture>& pictures) {
  std::string json = "{";
  if (const auto document = parse_comfy_json(outputs_json); document.ok()) {
    for (const auto& [node_id, output] : document->root().members()) {
      if (!nodes.contains(node_id)) append_member(json, node_id, output.to_json());
    }
  }
  std::map<std::string, std::string> images;
  for (const KeptPicture& picture : pictures) {
    std::string& list = images[picture.node_id];
    list += list.empty() ? R"({"filename":)" : R"(,{"filename":)";
    append_json_string(list, picture.filename);
    absl::StrAppend(&list, R"(,"subfolder":"","type":"websocket","sha256":")", picture.sha256, R"(","size_bytes":)",
                    picture.size_bytes, "}");
  }
  for (const auto& [node_id, list] : images) append_member(json, node_id, R"({"images":[)" + list + "]}");
  return json + "}";
}

std::vector<KeptPicture> pictures_in(std::string_view outputs_json, const std::set<std::string>& nodes) {
  std::vector<KeptPicture> pictures;
  const auto document = parse_comfy_json(outputs_json);
  if (!document.ok()) return pictures;
  for (const auto& [node_id, output] : document->root().members()) {
    if (!nodes.contains(node_id)) continue;
    for (const ComfyValue& item : output["images"].items()) {
      KeptPicture picture;
      picture.node_id = node_id;
      picture.filename = item["filename"].string_or("");
      picture.sha256 = item["sha256"].string_or("");
      picture.size_bytes = static_cast<std::int64_t>(item["size_bytes"].number().value_or(0));
      pictures.push_back(std::move(picture));
    }
  }
  return pictures;
}

}  // namespace renderyard::domain
