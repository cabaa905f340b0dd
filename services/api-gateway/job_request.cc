#include "services/api-gateway/job_request.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <utility>

#include "libs/common/domain/error_code.h"
#include "libs/common/domain/json_text.h"
#include "libs/common/domain/limits.h"
#include "libs/common/domain/workflow.h"
#include "services/api-gateway/duplicate_key.h"
#include "services/api-gateway/json_writer.h"

namespace renderyard::gateway {

namespace {

namespace code = domain::code;
using domain::is_json_object;
using domain::is_json_string;
using domain::JsonMember;

// nullopt = nothing wrong.
using Check = std::optional<Problem>;

std::string shown(std::string_view name) {
  constexpr std::size_t kMost = 60;
  if (name.size() <= kMost) return std::string(name);
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  return std::string(name.substr(0, end)) + "…";
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

Problem invalid(std::string_view field, std::string_view must) {
  return make_problem(code::kInvalidField, absl::StrCat(std::string(field), " ", std::string(must)), field);
}

bool is_null(std::string_view value) {
  return value == "null";
}

Check read_text(const JsonMember& member, std::string_view path, std::size_t most, std::string& out) {
  const std::string must = absl::StrCat("must be a text of 1 to ", most, " characters");
  if (!is_json_string(member.value)) return invalid(path, must);
  out = domain::json_string(member.value);
  const std::size_t size = characters(out);
  if (size < 1 || size > most) return invalid(path, must);
  return std::nullopt;
}

Check read_integer(const JsonMember& member, std::string_view path, int min, int max, int& out) {
  const char* end = member.value.data() + member.value.size();
  const auto result = std::from_chars(member.value.data(), end, out);
  if (result.ec != std::errc() || result.ptr != end || out < min || out > max) {
    return invalid(path, absl::StrCat("must be a whole number from ", min, " to ", max));
  }
  return std::nullopt;
}

Check read_metadata(const JsonMember& member, ports::NewJob& job) {
  if (!is_json_object(member.value)) return invalid("metadata", "must be an object of texts, {\"key\": \"text\"}");
  const auto entries = domain::json_members(member.value);
  if (entries.size() > kMaxMetadataEntries) {
    return invalid("metadata", absl::StrCat("may have at most ", kMaxMetadataEntries, " entries"));
  }
  for (const JsonMember& entry : entries) {
    const std::string path = absl::StrCat("metadata.", shown(entry.key));
    const std::size_t key_size = characters(entry.key);
    if (key_size < 1 || key_size > kMaxMetadataKeyChars) {
      return invalid(path, absl::StrCat("must have a name of 1 to ", kMaxMetadataKeyChars, " characters"));
    }
    if (!is_json_string(entry.value)) return invalid(path, "must be a text; write numbers and other values in quotes");
    if (characters(domain::json_string(entry.value)) > kMaxMetadataValueChars) {
      return invalid(path, absl::StrCat("may have at most ", kMaxMetadataValueChars, " characters"));
    }
  }
  job.metadata_json = std::string(member.value);
  return std::nullopt;
}

Problem unknown_field(std::string_view parent, const JsonMember& member, std::string_view known) {
  const std::string path = absl::StrCat(std::string(parent), parent.empty() ? "" : ".", shown(member.key));
  const std::string owner = parent.empty() ? "a job" : std::string(parent);
  std::string detail = absl::StrCat("\"", path, "\" is not a known field; ", owner, " has ", std::string(known), ". ");
  if (is_json_object(member.value) && !domain::json_member(member.value, "class_type").empty()) {
    detail += "This looks like a node of a workflow: send the workflow as parameters.workflow.";
  } else {
    detail += "Remove it, or put data of your own into metadata.";
  }
  return make_problem(code::kUnknownField, std::move(detail), path);
}

Check read_workflow(const JsonMember& member, ports::NewJob& job) {
  constexpr std::string_view kPath = "parameters.workflow";
  if (is_json_string(member.value)) {
    return make_problem(code::kInvalidWorkflow,
                        "parameters.workflow is a text; send the workflow object itself, not a text that holds it",
                        kPath);
  }
  auto info = domain::inspect_workflow(member.value);
  if (!info.ok()) return problem_from_coded(info.status(), kPath);
  job.workflow = std::string(member.value);
  job.needs_key = std::move(info->needs_key);
  return std::nullopt;
}

Check read_limits(const JsonMember& limits) {
  for (const JsonMember& member : domain::json_members(limits.value)) {
    if (std::find(domain::kLimitNames.begin(), domain::kLimitNames.end(), member.key) == domain::kLimitNames.end()) {
      return unknown_field("parameters.limits", member, "wait_secs, run_secs and silence_secs");
    }
    if (is_null(member.value)) continue;
    int seconds = 0;
    const std::string path = absl::StrCat("parameters.limits.", member.key);
    if (auto problem = read_integer(member, path, 1, domain::kMaxLimitSecs, seconds)) {
      problem->detail += " (seconds); leave it out for no limit";
      return problem;
    }
  }
  return std::nullopt;
}

Check read_parameters(const JsonMember& parameters, ports::NewJob& job) {
  if (!is_json_object(parameters.value)) return invalid("parameters", "must be an object with a workflow");
  JsonObject rest;
  bool has_workflow = false;
  for (const JsonMember& member : domain::json_members(parameters.value)) {
    if (member.key == "workflow") {
      has_workflow = true;
      if (auto problem = read_workflow(member, job)) return problem;
      continue;
    }
    if (member.key != "placement" && member.key != "limits" && member.key != "extra_data") {
      return unknown_field("parameters", member, "workflow, placement, limits and extra_data");
    }
    if (is_null(member.value)) continue;
    const std::string path = absl::StrCat("parameters.", member.key);
    if (!is_json_object(member.value)) return invalid(path, "must be an object");
    if (member.key == "extra_data" && !domain::json_member(member.value, "renderyard").empty()) {
      return invalid("parameters.extra_data.renderyard", "is a name of Renderyard's own; use another one");
    }
    if (member.key == "limits") {
      if (auto problem = read_limits(member)) return problem;
    }
    rest.raw(member.key, member.value);
  }
  if (!has_workflow) {
    return make_problem(
        code::kMissingField,
        "parameters.workflow is required: the workflow in ComfyUI's API format (Workflow → Export (API))",
        "parameters.workflow");
  }
  job.parameters_json = std::move(rest).finish();
  job.wait_limit = domain::limits_of(job.parameters_json).wait;
  return std::nullopt;
}

Check read_member(const JsonMember& member, ports::NewJob& job) {
  if (member.key == "job_type") return read_text(member, "job_type", kMaxJobTypeChars, job.job_type);
  if (member.key == "parameters") return read_parameters(member, job);
  if (member.key == "priority") {
    if (is_null(member.value)) return std::nullopt;
    return read_integer(member, "priority", kMinUserPriority, kMaxUserPriority, job.priority);
  }
  if (member.key == "estimated_duration_secs") {
    if (is_null(member.value)) return std::nullopt;
    return read_integer(member, member.key, 1, std::numeric_limits<int>::max(), job.estimated_duration_secs.emplace());
  }
  if (member.key == "name") {
    if (is_null(member.value)) return std::nullopt;
    return read_text(member, "name", kMaxNameChars, job.name.emplace());
  }
  if (member.key == "metadata") {
    if (is_null(member.value)) return std::nullopt;
    return read_metadata(member, job);
  }
  return unknown_field("", member, "job_type, parameters, priority, estimated_duration_secs, name and metadata");
}

Check check_text(std::string_view body) {
  if (body.find('\0') != std::string_view::npos) {
    return make_problem(code::kUnstorableText, "the body has a NUL character, which cannot be stored; remove it");
  }
  const absl::Status status = domain::check_json_text(body);
  if (absl::IsFailedPrecondition(status)) {
    return make_problem(code::kUnstorableText, absl::StrCat(status.message(), ", which cannot be stored; remove it"));
  }
  if (!status.ok()) {
    return make_problem(code::kMalformedJson,
                        absl::StrCat("the body must be one JSON object in UTF-8: ", status.message()));
  }
  if (const auto path = find_duplicate_key(body)) {
    return make_problem(code::kInvalidField, absl::StrCat("\"", shown(*path), "\" stands twice; keep one"), *path);
  }
  return std::nullopt;
}

bool has(const std::vector<JsonMember>& members, std::string_view key) {
  return std::any_of(members.begin(), members.end(), [key](const JsonMember& member) { return member.key == key; });
}

}  // namespace

Answer<ports::NewJob> parse_job_request(std::string_view body) {
  if (auto problem = check_text(body)) return *std::move(problem);
  const auto begin = body.find_first_not_of(" \t\r\n");
  if (body[begin] != '{') {
    return make_problem(code::kMalformedJson, "the body must be a JSON object {job_type, parameters{workflow}}");
  }
  const auto members = domain::json_members(body);
  if (!has(members, "parameters") && domain::json_member(body, "nodes").starts_with('[')) {
    // The canvas format itself was sent: say so before anything else.
    const auto info = domain::inspect_workflow(body);
    if (!info.ok()) return problem_from_coded(info.status(), "");
  }
  ports::NewJob job;
  for (const JsonMember& member : members) {
    if (auto problem = read_member(member, job)) return *std::move(problem);
  }
  for (const std::string_view required : {"job_type", "parameters"}) {
    if (has(members, required)) continue;
    const std::string remedy =
        required == "job_type" ? ", for example \"image_generation\"" : ": an object with the workflow";
    return make_problem(code::kMissingField, absl::StrCat(std::string(required), " is required", remedy), required);
  }
  return job;
}

std::optional<Problem> check_idempotency_key(std::string_view key) {
  const bool printable = std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
  if (!key.empty() && key.size() <= 255 && printable) return std::nullopt;
  return make_problem(code::kInvalidField, "Idempotency-Key must be 1 to 255 printable ASCII characters",
                      "Idempotency-Key");
}

}  // namespace renderyard::gateway
