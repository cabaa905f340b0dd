#include "libs/common/adapters/redis/cached_value.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "libs/common/base/json.h"

namespace renderyard::redis {

namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->as_string());
}

std::int64_t number_of(const json::object& object, const char* name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->as_int64() : 0;
}

}  // namespace

std::string cache_key(std::string_view prompt_id) {
  return "comfyui:job:" + std::string(prompt_id);
}

std::string to_json(const ports::CachedProgress& progress) {
  json::object object;
  object["promptId"] = progress.prompt_id;
  object["type"] = progress.job_type;
  object["userId"] = progress.user_id.value;
  if (!progress.character_id.empty()) object["characterId"] = progress.character_id;
  object["status"] = progress.status;
  object["progress"] = progress.progress;
  object["startedAt"] = progress.started_at;
  object["clientId"] = progress.client_id;
  object["executionId"] = progress.execution_id.value;
  object["ownerEpoch"] = progress.owner_epoch.value;
  object["clusterEpoch"] = progress.cluster_epoch;
  return json::serialize(object);
}

std::optional<ports::CachedProgress> from_json(std::string_view text) {
  json::error_code error;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !value.is_object()) return std::nullopt;
  const json::object& object = value.as_object();
  ports::CachedProgress progress;
  progress.prompt_id = text_of(object, "promptId");
  progress.job_type = text_of(object, "type");
  progress.user_id = {number_of(object, "userId")};
  progress.character_id = text_of(object, "characterId");
  progress.status = text_of(object, "status");
  const std::int64_t percent = number_of(object, "progress");
  if (progress.prompt_id.empty() || percent < 0 || percent > 100) return std::nullopt;
  progress.progress = static_cast<int>(percent);
  progress.started_at = text_of(object, "startedAt");
  progress.client_id = text_of(object, "clientId");
  progress.execution_id = {number_of(object, "executionId")};
  progress.owner_epoch = {number_of(object, "ownerEpoch")};
  progress.cluster_epoch = text_of(object, "clusterEpoch");
  return progress;
}

}  // namespace renderyard::redis
