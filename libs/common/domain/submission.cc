#include "libs/common/domain/submission.h"

#include <utility>

#include "libs/common/domain/comfy_json.h"

namespace renderyard::domain {

namespace {

constexpr std::size_t kLongestMessage = 4000;

std::string shortened(std::string text) {
  if (text.size() <= kLongestMessage) return text;
  std::size_t end = kLongestMessage;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  text.resize(end);
  return text + " …";
}

// "message: details", without repeating itself.
std::string joined(std::string message, const std::string& details) {
  if (details.empty() || details == message) return message;
  if (message.empty()) return details;
  return message + ": " + details;
}

std::vector<NodeFault> read_faults(ComfyValue node_errors) {
  std::vector<NodeFault> faults;
  // An array when empty before 0.3.28: no members then.
  for (const auto& [node_id, node] : node_errors.members()) {
    NodeFault fault{.node_id = node_id, .node_class = node["class_type"].string_or(""), .message = ""};
    for (const auto error : node["errors"].items()) {
      if (!fault.message.empty()) fault.message += "; ";
      fault.message += joined(error["message"].string_or(""), error["details"].string_or(""));
    }
    fault.message = shortened(std::move(fault.message));
    faults.push_back(std::move(fault));
  }
  return faults;
}

PostVerdict not_accepted(std::string proof, std::string message) {
  PostVerdict verdict;
  verdict.kind = PostVerdict::Kind::kNotAccepted;
  verdict.proof = std::move(proof);
  verdict.message = std::move(message);
  return verdict;
}

PostVerdict unclear(std::string proof, std::string message) {
  PostVerdict verdict = not_accepted(std::move(proof), std::move(message));
  verdict.kind = PostVerdict::Kind::kUnclear;
  return verdict;
}

PostVerdict read_ok(PostVerdict verdict, const std::string& body) {
  const auto document = parse_comfy_json(body);
  if (document.ok()) verdict.prompt_id = document->root()["prompt_id"].id_text();
  if (verdict.prompt_id.empty()) {
    verdict.message = "answered 200 without a prompt id: not ComfyUI's own words";
    return verdict;
  }
  verdict.kind = PostVerdict::Kind::kAccepted;
  verdict.faults = read_faults(document->root()["node_errors"]);
  return verdict;
}

PostVerdict read_bad_request(PostVerdict verdict, const std::string& body) {
  const auto document = parse_comfy_json(body);
  const ComfyValue root = document.ok() ? document->root() : ComfyValue();
  const ComfyValue error = root["error"];
  if (!root["node_errors"] || !(error.is_object() || error.is_string())) {
    verdict.message = "answered 400 in a form that is not ComfyUI's";
    return verdict;
  }
  verdict.kind = PostVerdict::Kind::kRefused;
  if (error.is_string()) {  // before 0.3.28, for a body without `prompt`
    verdict.error_type = error.string_or("") == "no prompt" ? "no_prompt" : "error";
    verdict.message = shortened(error.string_or(""));
  } else {
    verdict.error_type = error["type"].string_or("");
    verdict.message = shortened(joined(error["message"].string_or(""), error["details"].string_or("")));
    // Servers before 0.12 name the node of an unknown class only in the details.
    const ComfyValue extra = error["extra_info"];
    verdict.faults = read_faults(root["node_errors"]);
    if (verdict.faults.empty() && extra["node_id"]) {
      verdict.faults.push_back({.node_id = extra["node_id"].id_text(),
                                .node_class = extra["class_type"].string_or(""),
                                .message = verdict.message});
    }
  }
  return verdict;
}

PostVerdict read_answer(const PostOutcome& outcome) {
  const std::string status = std::to_string(outcome.http_status);
  PostVerdict verdict = unclear("answered_" + status, "answered " + status);
  switch (outcome.http_status) {
    case 200:
      return read_ok(std::move(verdict), outcome.body);
    case 400:
      return read_bad_request(std::move(verdict), outcome.body);
    case 413:
      // aiohttp's own text; a proxy has a page of its own.
      if (outcome.body.starts_with("Maximum request body size ")) {
        verdict.kind = PostVerdict::Kind::kRefused;
        verdict.error_type = "body_too_large";
        verdict.message = shortened(outcome.body);
      }
      return verdict;
    case 401:
    case 403:
    case 404:
    case 405:
      verdict.kind = PostVerdict::Kind::kNotAccepted;
      verdict.instance_misconfigured = true;
      verdict.message = "POST /prompt was answered with " + status + ": is this address a ComfyUI server?";
      return verdict;
    default:
      return verdict;
  }
}

}  // namespace

PostVerdict classify_post(const PostOutcome& outcome) {
  switch (outcome.kind) {
    case PostOutcome::Kind::kConnectFailed:
      return not_accepted("connect_failed", outcome.error);
    case PostOutcome::Kind::kNotSent:
      return not_accepted("not_sent", outcome.error);
    case PostOutcome::Kind::kAnswered:
      return read_answer(outcome);
    case PostOutcome::Kind::kUnclear:
      break;
  }
  return unclear("no_answer", outcome.error);
}

namespace {

void append_warning(std::string& json, const NodeFault& fault) {
  json += json.size() > 1 ? ",{" : "{";
  const auto member = [&json](std::string_view name, std::string_view value) {
    if (json.back() != '{') json += ',';
    append_json_string(json, name);
    json += ':';
    append_json_string(json, value);
  };
  member("code", kAcceptedWithLoss);
  member("message", fault.message);
  member("node_id", fault.node_id);
  member("node_class", fault.node_class);
  json += '}';
}

}  // namespace

std::string loss_json(const std::vector<NodeFault>& faults) {
  std::string json = "[";
  const std::size_t shown = faults.size() > kMostWarnings ? kMostWarnings - 1 : faults.size();
  for (std::size_t i = 0; i < shown; ++i) append_warning(json, faults[i]);
  if (shown < faults.size()) {
    append_warning(json, {.node_id = "",
                          .node_class = "",
                          .message = "and " + std::to_string(faults.size() - shown) + " more nodes with errors"});
  }
  return json + "]";
}

bool is_strong(const AbsenceEvidence& evidence) {
  return evidence.sender_is_gone && !evidence.taken_over && evidence.same_server_life && !evidence.behind_proxy &&
         !evidence.unknown_heard && evidence.absent_rounds >= 2 &&
         evidence.seconds_between_rounds >= kSubmitSettleSeconds;
}

bool may_surface(ExecutionState state, std::string_view outcome_proof) {
  return (state == ExecutionState::kNotAccepted || state == ExecutionState::kLost) &&
         (outcome_proof == kAbsentStrong || outcome_proof == kUnclear);
}

}  // namespace renderyard::domain
