#include "tests/comfysim/routes.h"

#include <algorithm>
#include <exception>

namespace comfysim {
namespace {

constexpr std::string_view kApi = "/api";

// Whether `path` fits the pattern; the segment that "{}" stands for goes to `id`.
bool fits(std::string_view pattern, std::string_view path, std::string& id) {
  const std::size_t hole = pattern.find("{}");
  if (hole == std::string_view::npos) return pattern == path;
  const std::string_view before = pattern.substr(0, hole);
  const std::string_view after = pattern.substr(hole + 2);
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) return false;
  id = path.substr(before.size(), path.size() - before.size() - after.size());
  return id.find('/') == std::string::npos;
}

bool is_loopback(std::string_view host) {
  host = host.substr(0, host.rfind(':'));
  return host == "localhost" || host.starts_with("127.") || host == "[::1]";
}

}  // namespace

json::object server_features(const Options& options) {
  const auto limit = static_cast<std::int64_t>(options.max_upload_mb * 1024.0 * 1024.0);
  if (!options.generation->search_aliases) {
    return json::object{{"supports_preview_metadata", true}, {"max_upload_size", limit}};
  }
  return json::object{{"supports_preview_metadata", true}, {"supports_model_type_tags", true},
                      {"max_upload_size", limit},          {"extension", {{"manager", {{"supports_v4", true}}}}},
                      {"node_replacements", true},         {"assets", false}};
}

Routes::Routes(Machine& machine) : machine_(machine), routes_(table()) {}

std::vector<Routes::Route> Routes::table() const {
  std::vector<Route> out = {
      {"GET", "/", &Routes::get_root},
      {"GET", "/prompt", &Routes::get_prompt},
      {"POST", "/prompt", &Routes::post_prompt},
      {"GET", "/queue", &Routes::get_queue},
      {"POST", "/queue", &Routes::post_queue},
      {"POST", "/interrupt", &Routes::post_interrupt},
      {"GET", "/history", &Routes::get_history},
      {"POST", "/history", &Routes::post_history},
      {"GET", "/history/{}", &Routes::get_history_of},
      {"POST", "/free", &Routes::post_free},
      {"GET", "/object_info", &Routes::get_object_info},
      {"GET", "/object_info/{}", &Routes::get_object_info_of},
      {"GET", "/system_stats", &Routes::get_system_stats},
      {"GET", "/embeddings", &Routes::get_empty_list},
      {"GET", "/extensions", &Routes::get_empty_list},
      {"GET", "/view", &Routes::get_view},
      {"GET", "/view_metadata/{}", &Routes::get_view_metadata},
      {"POST", "/upload/image", &Routes::post_upload},
      {"POST", "/upload/mask", &Routes::post_upload_mask},
      {"GET", "/users", &Routes::get_users},
      {"GET", "/settings", &Routes::get_settings},
      {"GET", "/userdata", &Routes::get_userdata},
      {"GET", "/_sim/ledger", &Routes::get_ledger},
      {"GET", "/_sim/faults", &Routes::get_faults},
  };
  if (machine_.generation.internal_logs) {
    out.push_back({"GET", "/internal/logs", &Routes::get_logs});
    out.push_back({"GET", "/internal/logs/raw", &Routes::get_raw_logs});
    out.push_back({"PATCH", "/internal/logs/subscribe", &Routes::patch_logs});
  }
  if (machine_.options.faults) out.push_back({"POST", "/_sim/faults", &Routes::post_faults});
  if (machine_.generation.features) out.push_back({"GET", "/features", &Routes::get_features});
  if (machine_.generation.models_route) {
    out.push_back({"GET", "/models", &Routes::get_models});
    out.push_back({"GET", "/models/{}", &Routes::get_models_of});
  }
  if (machine_.generation.jobs_api) {
    out.push_back({"GET", "/jobs", &Routes::get_jobs, true});
    out.push_back({"GET", "/jobs/{}", &Routes::get_job, true});
  }
  if (machine_.generation.atomic_cancel) {
    out.push_back({"POST", "/jobs/cancel", &Routes::post_cancel_jobs, true});
    out.push_back({"POST", "/jobs/{}/cancel", &Routes::post_cancel_job, true});
  }
  return out;
}

HttpResponse Routes::handle(HttpRequest& request) {
  try {
    if (std::optional<HttpResponse> refusal = check_origin(request)) return *refusal;
    return dispatch(request);
  } catch (const std::exception& error) {
    if (request.post_number != 0) note_refused(request, 500, error.what());
    return trouble();
  }
}

HttpResponse Routes::dispatch(HttpRequest& request) {
  if (request.method == "OPTIONS" && machine_.generation.options_answered) return empty_response();
  std::string_view path = request.path;
  const bool with_api = path.starts_with("/api/");
  if (with_api) path.remove_prefix(kApi.size());
  std::string allowed;
  for (const Route& route : routes_) {
    std::string id;
    if ((route.only_with_api && !with_api) || !fits(route.path, path, id)) continue;
    const bool fitting = route.method == request.method || (route.method == "GET" && request.method == "HEAD");
    if (fitting) return (this->*route.handler)(request, id);
    allowed += (allowed.empty() ? "" : ",") + std::string(route.method) + (route.method == "GET" ? ",HEAD" : "");
  }
  if (allowed.empty()) {
    if (request.method == "GET" || request.method == "HEAD") return text_response(404, "404: Not Found");
    // The files of the frontend are served from every path, so a wrong path is a wrong method.
    allowed = "GET,HEAD";
  }
  HttpResponse out = text_response(405, "405: Method Not Allowed");
  out.headers.emplace_back("Allow", allowed);
  return out;
}

bool Routes::is_websocket(const HttpRequest& request) const {
  return request.path == "/ws" || request.path == "/api/ws";
}

std::optional<HttpResponse> Routes::check_origin(const HttpRequest& request) const {
  if (!machine_.generation.origin_check) return std::nullopt;
  if (machine_.generation.cross_site_refused && request.header("sec-fetch-site") == "cross-site") {
    return empty_response(403);
  }
  const std::string host = request.header("host");
  std::string origin = request.header("origin");
  if (host.empty() || origin.empty() || !is_loopback(host)) return std::nullopt;
  if (const std::size_t scheme = origin.find("://"); scheme != std::string::npos) origin.erase(0, scheme + 3);
  if (origin == host) return std::nullopt;
  return empty_response(403);
}

std::uint64_t Routes::note_post(std::int64_t t_us) {
  const std::uint64_t number = ++posts_;
  machine_.ledger.write("post", nullptr, nullptr, {{"post", number}}, t_us);
  return number;
}

void Routes::note_refused(const HttpRequest& request, unsigned status, std::string_view reason) {
  json::value prompt_id = nullptr;
  json::value execution_id = nullptr;
  if (const std::optional<json::value> body = parse_json(request.body)) {
    if (const json::value* id = member(*body, "prompt_id")) prompt_id = *id;
    if (const json::value* extra = member(*body, "extra_data")) execution_id = execution_id_of(*extra);
  }
  machine_.ledger.write(
      "refused", prompt_id, execution_id,
      {{"post", request.post_number}, {"status", status}, {"reason", json::string_view(reason.data(), reason.size())}});
}

}  // namespace comfysim
