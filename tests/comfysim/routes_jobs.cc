// The jobs API of 0.6.0 and the atomic cancel of 0.26.0.
#include <algorithm>
#include <charconv>
#include <set>
#include <stdexcept>

#include "tests/comfysim/digest.h"
#include "tests/comfysim/routes.h"

namespace comfysim {
namespace {

constexpr std::string_view kStatuses[] = {"pending", "in_progress", "completed", "failed", "cancelled"};

HttpResponse bad_request(const std::string& error) {
  return json_response({{"error", error}}, 400);
}

// extra_pnginfo.workflow.id; throws on nulls in between, which is how one such prompt spoils the list for everyone.
json::value workflow_id(const json::object& extra_data) {
  const json::value* info = extra_data.if_contains("extra_pnginfo");
  if (info == nullptr) return nullptr;
  const json::value* workflow = info->as_object().if_contains("workflow");
  if (workflow == nullptr) return nullptr;
  const json::value* id = workflow->as_object().if_contains("id");
  return id == nullptr ? json::value(nullptr) : *id;
}

// What a waiting, running or finished prompt has in common. `entry` is [number, id, prompt, extra_data, outputs].
json::object describe(const json::array& entry, std::string_view status) {
  const json::object& extra_data = entry.at(3).as_object();
  json::object out = {
      {"id", entry.at(1)}, {"status", json::string_view(status.data(), status.size())}, {"priority", entry.at(0)}};
  if (const json::value* time = extra_data.if_contains("create_time")) out["create_time"] = *time;
  out["outputs_count"] = 0;
  out["previewable_outputs_count"] = 0;
  if (json::value id = workflow_id(extra_data); !id.is_null()) out["workflow_id"] = std::move(id);
  return out;
}

void count_outputs(const json::object& outputs, json::object& job) {
  std::int64_t all = 0;
  std::int64_t previewable = 0;
  json::value best = nullptr;
  for (const auto& [node, output] : outputs) {
    if (!output.is_object()) continue;
    for (const auto& [media, items] : output.get_object()) {
      if (media == "animated" || !items.is_array()) continue;
      for (const json::value& item : items.get_array()) {
        ++all;
        if (member(item, "filename") == nullptr) continue;
        ++previewable;
        const bool saved = item.at("type") == "output";
        if (!best.is_null() && (!saved || best.at("type") == "output")) continue;
        json::object preview = item.get_object();
        preview["nodeId"] = node;
        preview["mediaType"] = media;
        best = std::move(preview);
      }
    }
  }
  job["outputs_count"] = all;
  job["previewable_outputs_count"] = previewable;
  if (!best.is_null()) job["preview_output"] = std::move(best);
}

json::object describe_finished(const json::object& history, bool whole) {
  const json::array& entry = history.at("prompt").as_array();
  const json::object& status = history.at("status").as_object();
  json::value start = nullptr;
  json::value end = nullptr;
  json::value error = nullptr;
  bool interrupted = false;
  for (const json::value& message : status.at("messages").as_array()) {
    const json::string& type = message.at(0).as_string();
    if (type == "execution_start") start = message.at(1).at("timestamp");
    if (type == "execution_success" || type == "execution_error" || type == "execution_interrupted") {
      end = message.at(1).at("timestamp");
    }
    if (type == "execution_error") error = message.at(1);
    if (type == "execution_interrupted") interrupted = true;
  }
  const bool success = status.at("status_str") == "success";
  json::object common = describe(entry, success ? "completed" : interrupted ? "cancelled" : "failed");
  json::object out;
  for (const char* key : {"id", "status", "priority", "create_time"}) {
    if (const json::value* value = common.if_contains(key)) out[key] = *value;
  }
  if (!start.is_null()) out["execution_start_time"] = start;
  if (!end.is_null()) out["execution_end_time"] = end;
  if (!error.is_null()) out["execution_error"] = error;
  count_outputs(history.at("outputs").as_object(), out);
  if (const json::value* id = common.if_contains("workflow_id")) out["workflow_id"] = *id;
  if (whole) {
    out["outputs"] = history.at("outputs");
    out["execution_status"] = status;
    out["workflow"] = {{"prompt", entry.at(2)}, {"extra_data", entry.at(3)}};
  }
  return out;
}

double time_of(const json::value& job, std::string_view key) {
  const json::value* value = member(job, key);
  return value == nullptr ? 0.0 : value->to_number<double>();
}

double sort_key(const json::value& job, bool by_duration) {
  if (!by_duration) return time_of(job, "create_time");
  return time_of(job, "execution_end_time") - time_of(job, "execution_start_time");
}

std::optional<std::int64_t> whole_number(const std::string& text, std::int64_t least) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out < least) return std::nullopt;
  return out;
}

// The comma list of ?status=; complains about words that are no status.
std::optional<std::string> read_statuses(const std::string& text, std::set<std::string>& wanted) {
  std::string bad;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, comma - at);
    at = comma + 1;
    if (word.empty()) continue;
    const bool known = std::find(std::begin(kStatuses), std::end(kStatuses), word) != std::end(kStatuses);
    if (known) {
      wanted.insert(word);
    } else {
      bad += (bad.empty() ? "" : ", ") + word;
    }
  }
  if (bad.empty()) return std::nullopt;
  return "Invalid status value(s): " + bad + ". Valid values: pending, in_progress, completed, failed, cancelled";
}

}  // namespace

HttpResponse Routes::get_jobs(HttpRequest& request, const std::string&) {
  std::set<std::string> wanted;
  if (auto complaint = read_statuses(request.parameter("status").value_or(""), wanted)) return bad_request(*complaint);
  const std::string sort_by = request.parameter("sort_by").value_or("created_at");
  if (sort_by != "created_at" && sort_by != "execution_duration") {
    return bad_request("sort_by must be one of: created_at, execution_duration");
  }
  const std::string order = request.parameter("sort_order").value_or("desc");
  if (order != "asc" && order != "desc") return bad_request("sort_order must be one of: asc, desc");
  std::optional<std::int64_t> limit;
  if (const auto text = request.parameter("limit")) {
    limit = whole_number(*text, 1);
    if (!limit) return bad_request("limit must be a positive integer");
  }
  const std::optional<std::int64_t> offset = whole_number(request.parameter("offset").value_or("0"), 0);
  if (!offset) return bad_request("offset must be a non-negative integer");

  json::array all;
  for (const ItemPtr& item : machine_.queue.running()) all.push_back(describe(item->to_json(), "in_progress"));
  for (const ItemPtr& item : machine_.queue.pending()) all.push_back(describe(item->to_json(), "pending"));
  for (const auto& [id, entry] : machine_.history(std::nullopt, -1)) {
    all.push_back(describe_finished(entry.as_object(), false));
  }
  const auto workflow = request.parameter("workflow_id");
  std::vector<json::value> chosen;
  for (const json::value& job : all) {
    const json::value* its_workflow = member(job, "workflow_id");
    if (!wanted.empty() && !wanted.contains(std::string(job.at("status").as_string()))) continue;
    if (workflow && (its_workflow == nullptr || python_str(*its_workflow) != *workflow)) continue;
    chosen.push_back(job);
  }
  const bool by_duration = sort_by == "execution_duration";
  std::stable_sort(chosen.begin(), chosen.end(), [&](const json::value& a, const json::value& b) {
    const double left = sort_key(a, by_duration);
    const double right = sort_key(b, by_duration);
    return order == "asc" ? left < right : left > right;
  });
  json::array page;
  const auto total = static_cast<std::int64_t>(chosen.size());
  const std::int64_t end = limit ? std::min(total, *offset + *limit) : total;
  for (std::int64_t i = *offset; i < end; ++i) page.push_back(chosen[static_cast<std::size_t>(i)]);
  json::value shown_limit = nullptr;
  if (limit) shown_limit = *limit;
  return json_response(
      {{"jobs", std::move(page)},
       {"pagination", {{"offset", *offset}, {"limit", shown_limit}, {"total", total}, {"has_more", end < total}}}});
}

HttpResponse Routes::get_job(HttpRequest&, const std::string& id) {
  for (const ItemPtr& item : machine_.queue.running()) {
    if (item->prompt_id == id) return json_response(describe(item->to_json(), "in_progress"));
  }
  for (const ItemPtr& item : machine_.queue.pending()) {
    if (item->prompt_id == id) return json_response(describe(item->to_json(), "pending"));
  }
  const json::object history = machine_.history_of(id);
  if (const json::value* entry = history.if_contains(id))
    return json_response(describe_finished(entry->as_object(), true));
  return json_response({{"error", "Job not found"}}, 404);
}

bool Routes::cancel(const HttpRequest& request, const std::string& prompt_id) {
  ItemPtr item;
  const auto outcome = machine_.queue.cancel(
      prompt_id,
      [&] {
        machine_.control.interrupt({"POST " + request.path, true, request.header("user-agent")});
      },
      item);
  if (outcome == PromptQueue::Cancelled::kPending) note_deleted(request, item, "jobs cancel");
  return outcome != PromptQueue::Cancelled::kNo;
}

HttpResponse Routes::post_cancel_job(HttpRequest& request, const std::string& id) {
  return json_response({{"cancelled", cancel(request, id)}});
}

HttpResponse Routes::post_cancel_jobs(HttpRequest& request, const std::string&) {
  const std::optional<json::value> body = parse_json(request.body);
  if (!body) return bad_request("Request body must be valid JSON");
  const json::value* ids = member(*body, "job_ids");
  if (ids == nullptr || !ids->is_array()) return bad_request("job_ids must be a list");
  json::array invalid;
  for (const json::value& id : ids->get_array()) {
    if (!id.is_string() || !is_canonical_uuid(std::string_view(id.get_string()))) invalid.push_back(id);
  }
  if (!invalid.empty()) {
    return json_response({{"error", "job_ids contains invalid id(s)"}, {"invalid_ids", invalid}}, 400);
  }
  bool any = false;
  for (const json::value& id : ids->get_array()) any = cancel(request, std::string(id.get_string())) || any;
  return json_response({{"cancelled", any}});
}

}  // namespace comfysim
