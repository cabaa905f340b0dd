// Stops exactly one prompt, by the best means of the server's generation (recordings: interrupt-*, jobs-api).
//
//  atomic cancel (0.26 on)    POST /api/jobs/{id}/cancel: the server looks and acts under one lock
//  targeted (0.3.57 on)       delete from the queue, look, POST /interrupt with the id when it runs. Check and act are
//  two
//                             steps of the server: a successor may be hit in a very small window
//  before                     the same, but /interrupt hits whatever runs: only when our prompt is the one that runs
//  and
//                             nothing waits behind it; otherwise FAILED_PRECONDITION and nothing is hit
// OK = asked, or nothing left to ask. Whether it came in time is read from queue and history.
#pragma once

#include <absl/status/status.h>
#include <absl/time/time.h>

#include <string>

#include "libs/common/base/task.h"
#include "libs/common/ports/comfy_instance.h"
#include "services/bridge/comfy/comfy_api.h"

namespace renderyard::comfy {

base::Task<absl::Status> cancel_prompt(ComfyApi& api, std::string prompt_id, ports::ComfyAbilities abilities,
                                       absl::Time deadline);

}  // namespace renderyard::comfy
