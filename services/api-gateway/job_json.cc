#include "services/api-gateway/job_json.h"

#include <absl/strings/str_cat.h>

#include <optional>
#include <string>
#include <utility>

#include "libs/common/domain/error_code.h"
#include "services/api-gateway/json_writer.h"

namespace renderyard::gateway {

namespace {

template <class Tag>
void optional_id(JsonObject& object, std::string_view key, const std::optional<base::Id<Tag>>& id) {
  if (id) {
    object.number(key, id->value);
  } else {
    object.null(key);
  }
}

std::string error_object(const ports::JobError& error) {
  JsonObject object;
  object.text("code", error.code);
  object.text("class", domain::to_string(domain::error_entry(error.code).category));
  object.text("message", error.message);
  object.text("node_id", error.node_id);
  object.text("node_class", error.node_class);
  return std::move(object).finish();
}

std::optional<std::string> operator_note(const std::optional<ports::OperatorNote>& note) {
  if (!note) return std::nullopt;
  JsonObject object;
  object.boolean("ran", note->ran);
  object.text("who", note->who);
  object.text("why", note->why);
  object.time("at", note->at);
  return std::move(object).finish();
}

JsonObject summary(const ports::JobRow& job) {
  JsonObject object;
  object.number("id", job.id.value);
  object.text("uid", job.uid);
  object.text("job_type", job.job_type);
  object.text("status", domain::to_string(job.status));
  object.text("name", job.name);
  object.raw("metadata", job.metadata_json);
  object.number("priority", job.priority);
  object.number("submitted_by", job.submitted_by.value);
  optional_id(object, "worker_id", job.worker_id);
  object.number("progress_percent", job.progress_percent);
  object.text("progress_message", job.progress_message);
  object.time("silent_since", job.silent_since);
  object.raw("warnings", job.warnings_json.value_or("[]"));
  object.text("waiting_reason", job.waiting_reason);
  object.time("submitted_at", job.submitted_at);
  object.time("claimed_at", job.claimed_at);
  object.time("started_at", job.started_at);
  object.time("completed_at", job.completed_at);
  object.time("cancel_requested_at", job.cancel_requested_at);
  object.number("estimated_duration_secs", job.estimated_duration_secs);
  object.number("actual_duration_secs", job.actual_duration_secs);
  optional_id(object, "retry_of_job_id", job.retry_of_job_id);
  object.number("attempt", job.attempt);
  object.number("event_seq", job.event_seq);
  if (job.error) {
    object.raw("error", error_object(*job.error));
  } else {
    object.null("error");
  }
  return object;
}

// {"workflow":…} with the members of parameters_json behind it.
std::string parameters(const ports::JobRow& job) {
  const auto begin = job.parameters_json.find('{');
  const auto end = job.parameters_json.rfind('}');
  std::string rest;
  if (begin != std::string::npos && end != std::string::npos && begin < end) {
    rest = job.parameters_json.substr(begin + 1, end - begin - 1);
  }
  if (rest.find_first_not_of(" \t\r\n") == std::string::npos) return absl::StrCat("{\"workflow\":", job.workflow, "}");
  return absl::StrCat("{\"workflow\":", job.workflow, ",", rest, "}");
}

}  // namespace

std::string job_summary(const ports::JobRow& job) {
  return summary(job).finish();
}

std::string job_details(const ports::JobRow& job, const std::vector<ports::OutputRow>& outputs) {
  JsonObject object = summary(job);
  object.raw("parameters", parameters(job));
  object.raw("result", job.result_json);
  object.raw("outputs", output_list(outputs));
  object.raw("operator_note", operator_note(job.operator_note));
  return std::move(object).finish();
}

std::string output_list(const std::vector<ports::OutputRow>& outputs) {
  std::string out = "[";
  for (const ports::OutputRow& output : outputs) {
    if (out.size() > 1) out += ',';
    JsonObject object;
    object.number("n", output.n);
    object.text("node_id", output.node_id);
    object.text("kind", output.kind);
    object.text("filename", output.filename);
    object.text("content_type", output.content_type);
    object.number("size_bytes", output.size_bytes);
    object.text("sha256", output.sha256);
    object.text("url", absl::StrCat("/api/v1/jobs/", output.job_id.value, "/outputs/", output.n));
    out += std::move(object).finish();
  }
  return out += ']';
}

std::string job_list(const std::vector<ports::JobRow>& jobs) {
  std::string out = "[";
  for (const ports::JobRow& job : jobs) {
    if (out.size() > 1) out += ',';
    out += job_summary(job);
  }
  return out += ']';
}

}  // namespace renderyard::gateway
