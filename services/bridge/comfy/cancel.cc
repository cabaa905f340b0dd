#include "services/bridge/comfy/cancel.h"

#include <utility>

#include "libs/common/base/status_macros.h"
#include "libs/common/domain/comfy_json.h"
#include "services/bridge/comfy/instance_url.h"

namespace renderyard::comfy {

namespace {

std::string delete_body(std::string_view prompt_id) {
  std::string json = R"({"delete":[)";
  domain::append_json_string(json, prompt_id);
  return json + "]}";
}

std::string interrupt_body(std::string_view prompt_id) {
  std::string json = R"({"prompt_id":)";
  domain::append_json_string(json, prompt_id);
  return json + "}";
}

}  // namespace

base::Task<absl::Status> cancel_prompt(ComfyApi& api, std::string prompt_id, ports::ComfyAbilities abilities,
                                       absl::Time deadline) {
  // An empty id means "whatever runs" to ComfyUI.
  if (prompt_id.empty()) co_return absl::InvalidArgumentError("no prompt id to cancel");
  if (abilities.atomic_cancel) {
    std::string target = "/api/jobs/" + percent_encode(prompt_id) + "/cancel";
    auto answer = co_await api.post(std::move(target), "{}", true, deadline);
    co_return answer.status();
  }
  std::string deletion = delete_body(prompt_id);
  auto deleted = co_await api.post("/queue", std::move(deletion), true, deadline);
  CO_RETURN_IF_ERROR(deleted.status());
  // The deletion is always answered 200 and says nothing.
  ASSIGN_OR_CO_RETURN(const domain::QueueListing listing, co_await api.queue(deadline));
  if (!listing.is_running(prompt_id)) {
    if (listing.find(prompt_id) != nullptr)
      co_return absl::UnavailableError("the prompt could not be taken off the queue");
    co_return absl::OkStatus();
  }
  if (!abilities.targeted_interrupt && abilities.shared) {
    co_return absl::FailedPreconditionError(
        "this server interrupts whatever runs, and others use it too: not asked, the prompt runs to its end");
  }
  if (!abilities.targeted_interrupt && !listing.pending.empty()) {
    co_return absl::FailedPreconditionError(
        "this server interrupts whatever runs, and other prompts wait behind ours: not asked");
  }
  std::string interruption = interrupt_body(prompt_id);
  auto interrupted = co_await api.post("/interrupt", std::move(interruption), true, deadline);
  co_return interrupted.status();
}

}  // namespace renderyard::comfy
