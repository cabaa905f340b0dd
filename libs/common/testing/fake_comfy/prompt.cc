#include "libs/common/testing/fake_comfy/prompt.h"

#include <boost/json.hpp>

namespace renderyard::testing {

namespace json = boost::json;

namespace {

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(json::string_view(key.data(), key.size()));
  if (value == nullptr) return "";
  if (const json::string* text = value->if_string()) return std::string(text->data(), text->size());
  return json::serialize(*value);
}

const json::object* object_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(json::string_view(key.data(), key.size()));
  return value == nullptr ? nullptr : value->if_object();
}

domain::PostOutcome answered(int status, std::string body) {
  domain::PostOutcome outcome;
  outcome.kind = domain::PostOutcome::Kind::kAnswered;
  outcome.http_status = status;
  outcome.content_type = status == 500 ? "text/plain; charset=utf-8" : "application/json; charset=utf-8";
  outcome.body = std::move(body);
  return outcome;
}

ParsedPost refuse(int status, std::string body) {
  ParsedPost post;
  post.refused = true;
  post.answer = answered(status, std::move(body));
  return post;
}

ParsedPost refuse_missing_node(const std::string& id, const std::string& class_type) {
  json::object error{{"type", "missing_node_type"},
                     {"message", "Node '" + class_type + "' not found."},
                     {"details", "Node ID '#" + id + "'"},
                     {"extra_info", json::object{{"node_id", id}, {"class_type", class_type}, {"node_title", ""}}}};
  return refuse(400, json::serialize(json::object{{"error", error}, {"node_errors", json::object{}}}));
}

}  // namespace

std::string picture_of(const std::vector<std::string>& seeds) {
  std::string picture = "picture";
  for (const std::string& seed : seeds) picture.append(" ").append(seed);
  return picture;
}

std::string file_content(std::string_view picture, std::string_view node_id) {
  return std::string(picture).append(" of node ").append(node_id);
}

ParsedPost parse_post(std::string_view body) {
  boost::system::error_code error;
  const json::value root = json::parse(json::string_view(body.data(), body.size()), error);
  const json::object* object = error ? nullptr : root.if_object();
  if (object == nullptr) return refuse(500, "500 Internal Server Error");
  const json::object* workflow = object_at(*object, "prompt");
  if (workflow == nullptr) {
    return refuse(400, R"({"error":{"type":"no_prompt","message":"No prompt provided","details":"","extra_info":{}},)"
                       R"("node_errors":{}})");
  }
  ParsedPost post;
  post.prompt.client_id = text_at(*object, "client_id");
  post.prompt.prompt_id = text_at(*object, "prompt_id");
  if (const json::object* extra = object_at(*object, "extra_data")) {
    if (const json::object* ours = object_at(*extra, "renderyard")) {
      post.prompt.execution_id = text_at(*ours, "execution_id");
      post.prompt.job_id = text_at(*ours, "job_id");
      post.prompt.chosen_id = text_at(*ours, "prompt_id");
    }
  }
  std::vector<std::string> seeds;
  for (const auto& member : *workflow) {
    ComfyNode node;
    node.id.assign(member.key().data(), member.key().size());
    const json::object* fields = member.value().if_object();
    if (fields == nullptr) return refuse(500, "500 Internal Server Error");
    node.class_type = text_at(*fields, "class_type");
    if (node.class_type == "MissingNode") {
      ParsedPost refused = refuse_missing_node(node.id, node.class_type);
      refused.prompt = std::move(post.prompt);
      return refused;
    }
    if (const json::object* inputs = object_at(*fields, "inputs")) {
      if (inputs->if_contains("seed") != nullptr) seeds.push_back(text_at(*inputs, "seed"));
      node.filename_prefix = text_at(*inputs, node.class_type == "SaveAnywhere" ? "path" : "filename_prefix");
    }
    post.prompt.nodes.push_back(std::move(node));
  }
  post.prompt.picture = picture_of(seeds);
  return post;
}

}  // namespace renderyard::testing
