#include "services/api-gateway/feed.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "libs/common/domain/error_code.h"
#include "libs/common/domain/json_text.h"
#include "services/api-gateway/job_json.h"
#include "services/api-gateway/json_writer.h"

namespace renderyard::gateway {

namespace {

namespace code = domain::code;
using domain::JsonMember;

std::optional<std::int64_t> parse_id(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end || value < 0) return std::nullopt;
  return value;
}

// The elements of an array of numbers; nullopt when it is anything else. The text is known to be JSON.
std::optional<std::set<std::int64_t>> read_ids(std::string_view array) {
  std::set<std::int64_t> ids;
  if (!domain::is_json_array(array)) return std::nullopt;
  std::string_view rest = array.substr(1, array.size() - 2);
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    const auto begin = item.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return std::nullopt;
    item = item.substr(begin, item.find_last_not_of(" \t\r\n") - begin + 1);
    const auto id = parse_id(item);
    if (!id || *id < 1) return std::nullopt;
    ids.insert(*id);
  }
  return ids;
}

std::optional<Problem> read_jobs(std::string_view value, SubscribeRequest& request) {
  if (value == "\"own\"") {
    request.scope = SubscribeRequest::Scope::kOwn;
    return std::nullopt;
  }
  if (value == "\"all\"") {
    request.scope = SubscribeRequest::Scope::kAll;
    return std::nullopt;
  }
  auto ids = read_ids(value);
  if (!ids || ids->empty() || ids->size() > kMaxListedJobs) {
    return make_problem(code::kInvalidField,
                        absl::StrCat("jobs must be \"own\", \"all\" or an array of 1 to ", kMaxListedJobs, " job ids"),
                        "jobs");
  }
  request.scope = SubscribeRequest::Scope::kListed;
  request.jobs = *std::move(ids);
  return std::nullopt;
}

std::optional<Problem> read_member(const JsonMember& member, SubscribeRequest& request, std::string& type) {
  if (member.key == "type") {
    type = domain::json_string(member.value);
    return std::nullopt;
  }
  if (member.key == "jobs") return read_jobs(member.value, request);
  if (member.key == "since") {
    if (member.value == "null") return std::nullopt;
    if (!domain::is_json_string(member.value)) {
      return make_problem(code::kInvalidField, "since must be a position as an earlier message gave it", "since");
    }
    request.since = domain::json_string(member.value);
    return std::nullopt;
  }
  if (member.key == "previews") {
    if (member.value != "true" && member.value != "false") {
      return make_problem(code::kInvalidField, "previews must be true or false", "previews");
    }
    request.previews = member.value == "true";
    return std::nullopt;
  }
  return make_problem(code::kUnknownField,
                      "subscribe has the fields type, jobs, since and previews; remove what is not one of them",
                      member.key.substr(0, 60));
}

JsonObject begin_message(std::string_view type) {
  JsonObject object;
  object.text("type", type);
  return object;
}

}  // namespace

std::string Position::text() const {
  return absl::StrCat(epoch, "-", id);
}

std::optional<Position> Position::parse(std::string_view text) {
  // The epoch is a UUID and has dashes of its own.
  const auto dash = text.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  const auto id = parse_id(text.substr(dash + 1));
  if (!id) return std::nullopt;
  Position position;
  position.epoch = text.substr(0, dash);
  position.id = *id;
  return position;
}

Answer<SubscribeRequest> parse_subscribe(std::string_view text) {
  const absl::Status status = domain::check_json_text(text);
  if (!status.ok()) {
    return make_problem(code::kMalformedJson, absl::StrCat("a message must be a JSON object: ", status.message()));
  }
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (text[begin] != '{') return make_problem(code::kMalformedJson, "a message must be a JSON object");
  SubscribeRequest request;
  std::string type;
  for (const JsonMember& member : domain::json_members(text)) {
    if (auto problem = read_member(member, request, type)) return *std::move(problem);
  }
  if (type.empty()) return make_problem(code::kMissingField, "type is required: \"subscribe\"", "type");
  if (type != "subscribe") return make_problem(code::kInvalidField, "type must be \"subscribe\"", "type");
  return request;
}

bool ends_job(std::string_view event_type) {
  return event_type == ports::event_type::kCompleted || event_type == ports::event_type::kFailed ||
         event_type == ports::event_type::kCancelled;
}

FeedMessage event_message(const ports::JobEvent& event, const std::string& epoch) {
  FeedMessage message;
  message.kind = FeedMessage::Kind::kEvent;
  message.type = event.type;
  message.job_id = event.job_id;
  message.seq = event.seq;
  message.position = Position{epoch, event.id};
  JsonObject object = begin_message(event.type);
  object.number("job_id", event.job_id.value);
  object.number("seq", event.seq);
  object.text("position", message.position->text());
  object.time("at", event.created_at);
  constexpr std::string_view kOwn[] = {"type", "job_id", "seq", "position", "at"};
  for (const JsonMember& member : domain::json_members(event.data_json)) {
    if (std::find(std::begin(kOwn), std::end(kOwn), member.key) == std::end(kOwn)) {
      object.raw(member.key, member.value);
    }
  }
  message.text = std::move(object).finish();
  return message;
}

FeedMessage progress_message(const ports::Progress& progress) {
  FeedMessage message;
  message.kind = FeedMessage::Kind::kProgress;
  message.type = "job_progress";
  message.job_id = progress.job_id;
  message.percent = progress.percent;
  JsonObject object = begin_message(message.type);
  object.number("job_id", progress.job_id.value);
  object.number("percent", progress.percent);
  const auto text_or_null = [&object](std::string_view key, const std::string& value) {
    if (value.empty()) {
      object.null(key);
    } else {
      object.text(key, value);
    }
  };
  text_or_null("current_node", progress.current_node);
  text_or_null("node_class", progress.node_class);
  text_or_null("node_title", progress.node_title);
  text_or_null("message", progress.message);
  object.time("silent_since", progress.silent_since);
  object.time("at", progress.at);
  message.text = std::move(object).finish();
  return message;
}

FeedMessage snapshot_message(std::vector<ports::JobRow> jobs, const Position& position, absl::Time now, bool more,
                             bool truncated) {
  FeedMessage message;
  message.kind = FeedMessage::Kind::kSnapshot;
  message.type = "snapshot";
  message.position = position;
  JsonObject object = begin_message(message.type);
  object.text("position", position.text());
  object.time("at", now);
  object.boolean("more", more);
  object.boolean("truncated", truncated);
  object.raw("jobs", job_list(jobs));
  message.text = std::move(object).finish();
  message.jobs = std::move(jobs);
  return message;
}

namespace {

FeedMessage position_message(FeedMessage::Kind kind, std::string_view type, const Position& position, absl::Time now) {
  FeedMessage message;
  message.kind = kind;
  message.type = type;
  message.position = position;
  JsonObject object = begin_message(type);
  object.text("position", position.text());
  object.time("at", now);
  message.text = std::move(object).finish();
  return message;
}

}  // namespace

FeedMessage resumed_message(const Position& position, absl::Time now) {
  return position_message(FeedMessage::Kind::kResumed, "resumed", position, now);
}

FeedMessage heartbeat_message(const Position& position, absl::Time now) {
  return position_message(FeedMessage::Kind::kHeartbeat, "heartbeat", position, now);
}

FeedMessage error_message(Problem problem) {
  FeedMessage message;
  message.kind = FeedMessage::Kind::kError;
  message.type = "error";
  JsonObject object = begin_message(message.type);
  object.text("code", problem.code);
  object.text("detail", problem.detail);
  if (!problem.field.empty()) object.text("field", problem.field);
  message.text = std::move(object).finish();
  message.problem = std::move(problem);
  return message;
}

std::string hello_text(const ports::User& user, absl::Time now, absl::Duration heartbeat) {
  JsonObject object = begin_message("hello");
  object.text("api", "v1");
  object.text("user", user.name);
  object.text("role", user.role == ports::Role::kAdmin ? "admin" : "user");
  object.number("heartbeat_secs", absl::ToInt64Seconds(heartbeat));
  object.time("at", now);
  return std::move(object).finish();
}

}  // namespace renderyard::gateway
