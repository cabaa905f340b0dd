#include "tests/comfysim/answer_faults.h"

#include <string_view>

namespace comfysim {
namespace {

std::string_view path_of(const HttpRequest& request) {
  std::string_view path = request.path;
  if (path.starts_with("/api/")) path.remove_prefix(4);
  return path;
}

json::object trace(const HttpRequest& request) {
  if (request.post_number != 0) return {{"post", request.post_number}};
  return {{"request", request.method + " " + request.path}};
}

}  // namespace

bool is_prompt_post(const HttpRequest& request) {
  return request.method == "POST" && path_of(request) == "/prompt";
}

bool silent_before_queue(Machine& machine, const HttpRequest& request) {
  return is_prompt_post(request) &&
         machine.take_fault("silent", "post_before_queue", nullptr, trace(request)).has_value();
}

AnswerPlan plan_answer(Machine& machine, const HttpRequest& request, HttpResponse& response) {
  AnswerPlan plan;
  const std::string_view path = path_of(request);
  if (path.starts_with("/_sim/")) return plan;
  const auto take = [&](std::string_view kind, std::string_view at) {
    return machine.take_fault(kind, Occasion::request(at, path), nullptr, trace(request));
  };
  if (is_prompt_post(request) && response.status == 200) {
    plan.silent = take("silent", "post_after_queue").has_value();
    if (const auto fault = take("error", "post_after_queue")) {
      response = empty_response(static_cast<unsigned>(fault->status));
    }
  }
  plan.silent = plan.silent || take("silent", "answer").has_value();
  if (const auto fault = take("error", "answer")) response = empty_response(static_cast<unsigned>(fault->status));
  if (const auto fault = take("answer_late", "answer")) plan.delay = std::chrono::milliseconds(fault->delay_ms);
  if (path == "/view" && (response.status == 200 || response.status == 206)) {
    if (const auto fault = take("slow_download", "view")) plan.bytes_per_s = fault->bytes_per_s;
    if (const auto fault = take("truncate", "view")) {
      plan.end_after = fault->bytes ? static_cast<std::uint64_t>(*fault->bytes) : response.body.size() / 2;
    }
  }
  return plan;
}

}  // namespace comfysim
