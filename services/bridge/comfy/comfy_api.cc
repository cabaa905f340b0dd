#include "services/bridge/comfy/comfy_api.h"

#include <absl/strings/str_cat.h>

#include <utility>

#include "libs/common/base/status_macros.h"

namespace renderyard::comfy {

namespace {

// The one place where HTTP statuses become ours.
absl::Status to_status(int status, std::string_view target) {
  if (status == 200) return absl::OkStatus();
  const auto path = target.substr(0, target.find('?'));
  std::string text = absl::StrCat(std::string(path), " was answered with ", status);
  if (status == 404 || status == 405) return absl::NotFoundError(text);
  if (status == 401 || status == 403) return absl::PermissionDeniedError(text);
  if (status == 400) return absl::InvalidArgumentError(text);
  return absl::UnavailableError(text);
}

}  // namespace

base::Task<absl::StatusOr<std::string>> ComfyApi::get(std::string target, absl::Time deadline) {
  HttpRequest request{
      .url = url_.http(target), .headers = url_.headers, .json = {}, .max_body = max_listing_bytes_, .once = false};
  ASSIGN_OR_CO_RETURN(HttpAnswer answer, co_await http_.request(std::move(request), deadline));
  CO_RETURN_IF_ERROR(to_status(answer.status, target));
  co_return std::move(answer.body);
}

base::Task<absl::StatusOr<std::string>> ComfyApi::post(std::string target, std::string json, bool once,
                                                       absl::Time deadline) {
  HttpRequest request{.url = url_.http(target),
                      .headers = url_.headers,
                      .json = std::move(json),
                      .max_body = std::size_t{1} << 20,
                      .once = once};
  ASSIGN_OR_CO_RETURN(HttpAnswer answer, co_await http_.request(std::move(request), deadline));
  CO_RETURN_IF_ERROR(to_status(answer.status, target));
  co_return std::move(answer.body);
}

base::Task<absl::StatusOr<HttpAnswer>> ComfyApi::download(std::string target, ByteSink sink, HeadSink on_head,
                                                          absl::Time deadline) {
  HttpRequest request{
      .url = url_.http(target), .headers = url_.headers, .json = {}, .max_body = std::size_t{64} << 10, .once = false};
  ASSIGN_OR_CO_RETURN(HttpAnswer answer,
                      co_await http_.stream(std::move(request), std::move(sink), std::move(on_head), deadline));
  CO_RETURN_IF_ERROR(to_status(answer.status, target));
  co_return answer;
}

base::Task<absl::StatusOr<HttpAnswer>> ComfyApi::head(std::string target, absl::Time deadline) {
  HttpRequest request;
  request.url = url_.http(target);
  request.headers = url_.headers;
  request.head = true;
  ASSIGN_OR_CO_RETURN(HttpAnswer answer, co_await http_.request(std::move(request), deadline));
  CO_RETURN_IF_ERROR(to_status(answer.status, target));
  co_return answer;
}

base::Task<absl::StatusOr<domain::QueueListing>> ComfyApi::queue(absl::Time deadline) {
  ASSIGN_OR_CO_RETURN(const std::string body, co_await get("/queue", deadline));
  co_return domain::parse_queue(body);
}

}  // namespace renderyard::comfy
