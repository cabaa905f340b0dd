// ComfyUI's REST routes that may be asked again, as typed calls. One object per server.
// Errors: as HttpClient's; besides PERMISSION_DENIED for 401 and 403, UNAVAILABLE for 3xx, 429 and 5xx, NOT_FOUND for
// 404 and 405,
// INVALID_ARGUMENT for every other 4xx and for an answer that cannot be read.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>
#include <vector>

#include "libs/common/base/task.h"
#include "libs/common/domain/comfy_message.h"
#include "services/bridge/comfy/http_client.h"
#include "services/bridge/comfy/instance_url.h"

namespace renderyard::comfy {

class ComfyApi {
 public:
  ComfyApi(HttpClient& http, InstanceUrl url, std::size_t max_listing_bytes)
      : http_(http), url_(std::move(url)), max_listing_bytes_(max_listing_bytes) {}

  // From the next request on.
  void set_headers(std::vector<ports::SecretHeader> headers) { url_.headers = std::move(headers); }

  // The body of a 200.
  base::Task<absl::StatusOr<std::string>> get(std::string target, absl::Time deadline);
  // `once`: never repeated by libcurl on its own.
  base::Task<absl::StatusOr<std::string>> post(std::string target, std::string json, bool once, absl::Time deadline);
  base::Task<absl::StatusOr<HttpAnswer>> download(std::string target, ByteSink sink, HeadSink on_head,
                                                  absl::Time deadline);

  base::Task<absl::StatusOr<HttpAnswer>> head(std::string target, absl::Time deadline);

  base::Task<absl::StatusOr<domain::QueueListing>> queue(absl::Time deadline);

 private:
  HttpClient& http_;
  InstanceUrl url_;
  const std::size_t max_listing_bytes_;
};

}  // namespace renderyard::comfy
