#include "services/bridge/comfy/probe.h"

#include <array>
#include <charconv>
#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/comfy_json.h"

namespace renderyard::comfy {

namespace {

// A route that is not there is an answer; anything else that failed is none.
base::Task<absl::StatusOr<std::string>> ask(ComfyApi& api, std::string target, absl::Time deadline) {
  auto body = co_await api.get(std::move(target), deadline);
  if (absl::IsNotFound(body.status())) co_return std::string();
  co_return body;
}

// Of what the answers say only this is kept: a thousand servers may be probed at the same moment, and a parsed document
// is large beside it.

// Every version has it: without it this is no ComfyUI.
absl::StatusOr<std::string> version_in(std::string_view stats) {
  const auto document = domain::parse_comfy_json(stats);
  if (!document.ok() || !document->root()["system"].is_object()) {
    return absl::InvalidArgumentError("/system_stats is not ComfyUI's");
  }
  return document->root()["system"]["comfyui_version"].string_or("");
}

void read_features(std::string_view features, ports::ComfyAbilities& abilities) {
  const auto flags = domain::parse_comfy_json(features);
  abilities.feature_flags = flags.ok() && flags->root().is_object();
  abilities.own_prompt_ids = abilities.feature_flags;
  abilities.progress_state = abilities.feature_flags;
  abilities.preview_metadata = abilities.feature_flags && flags->root()["supports_preview_metadata"].bool_or(false);
}

bool is_object_with(std::string_view text, std::string_view key) {
  const auto document = domain::parse_comfy_json(text);
  return document.ok() && document->root().is_object() && document->root()[key];
}

}  // namespace

bool version_at_least(std::string_view version, int major, int minor, int patch) {
  if (version.starts_with('v')) version.remove_prefix(1);
  std::array<int, 3> have{0, 0, 0};
  const char* at = version.data();
  const char* const end = at + version.size();
  for (std::size_t i = 0; i < have.size(); ++i) {
    const auto parsed = std::from_chars(at, end, have[i]);
    if (parsed.ec != std::errc()) return false;
    at = parsed.ptr;
    if (i + 1 < have.size()) {
      if (at == end || *at != '.') return false;
      ++at;
    }
  }
  return have >= std::array<int, 3>{major, minor, patch};
}

base::Task<absl::StatusOr<ports::ComfyAbilities>> probe_server(ComfyApi& api, absl::Time deadline) {
  ports::ComfyAbilities abilities;
  ASSIGN_OR_CO_RETURN(const std::string stats, co_await api.get("/system_stats", deadline));
  ASSIGN_OR_CO_RETURN(abilities.version, version_in(stats));

  ASSIGN_OR_CO_RETURN(const std::string features, co_await ask(api, "/features", deadline));
  read_features(features, abilities);

  auto jobs = co_await ask(api, "/api/jobs?limit=1", deadline);
  // 500 is the listing that another client poisoned: the route is there, the listing of no use. A proxy may keep single
  // routes shut.
  if (!jobs.ok() && !absl::IsUnavailable(jobs.status()) && !absl::IsPermissionDenied(jobs.status())) {
    co_return jobs.status();
  }
  abilities.jobs_api = jobs.ok() && is_object_with(*jobs, "jobs");

  auto cancelled = co_await api.post("/api/jobs/cancel", R"({"job_ids":[]})", false, deadline);
  if (!cancelled.ok() && !absl::IsNotFound(cancelled.status()) && !absl::IsInvalidArgument(cancelled.status()) &&
      !absl::IsPermissionDenied(cancelled.status())) {
    co_return cancelled.status();
  }
  abilities.atomic_cancel = cancelled.ok() && is_object_with(*cancelled, "cancelled");

  abilities.targeted_interrupt = abilities.atomic_cancel || abilities.jobs_api ||
                                 (abilities.own_prompt_ids && version_at_least(abilities.version, 0, 3, 57));
  co_return abilities;
}

}  // namespace renderyard::comfy
