// What travels over /api/v1/ws: the client's one request and the messages it gets. docs/websocket.md is the same for
// people. Pure.
#pragma once

#include <absl/time/time.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "libs/common/ports/model.h"
#include "services/api-gateway/problem.h"

namespace renderyard::gateway {

// Where a subscriber stands: everything with an event id up to `id` of the database `epoch` is known to it. Opaque to
// clients, who hand it back as they got it.
struct Position {
  std::string epoch;
  std::int64_t id = 0;

  std::string text() const;
  // nullopt when it is none of ours.
  static std::optional<Position> parse(std::string_view text);
};

struct FeedMessage {
  enum class Kind { kSnapshot, kResumed, kEvent, kProgress, kHeartbeat, kError };
  Kind kind = Kind::kHeartbeat;
  std::string text;  // the JSON that goes over the wire

  // The same in fields, for those who are in this process.
  std::string type;                  // kEvent: job_submitted, …
  base::JobId job_id;                // kEvent, kProgress
  int seq = 0;                       // kEvent
  int percent = 0;                   // kProgress
  std::optional<Position> position;  // all but kProgress and kError
  std::vector<ports::JobRow> jobs;   // kSnapshot; without workflow and parameters
  std::optional<Problem> problem;    // kError; the stream ends after it
};

struct SubscribeRequest {
  enum class Scope { kOwn, kAll, kListed };
  Scope scope = Scope::kOwn;
  std::set<std::int64_t> jobs;  // kListed
  std::optional<std::string> since;
  bool previews = false;
};

inline constexpr std::size_t kMaxListedJobs = 1000;

// {"type":"subscribe","jobs":"own"|"all"|[ids],"since"?,"previews"?}. Codes: malformed_json, unknown_field,
// missing_field, invalid_field.
Answer<SubscribeRequest> parse_subscribe(std::string_view text);

bool ends_job(std::string_view event_type);

FeedMessage event_message(const ports::JobEvent& event, const std::string& epoch);
FeedMessage progress_message(const ports::Progress& progress);
// more: another part of the same snapshot follows. truncated: live jobs beyond the bound were left out.
FeedMessage snapshot_message(std::vector<ports::JobRow> jobs, const Position& position, absl::Time now, bool more,
                             bool truncated);
FeedMessage resumed_message(const Position& position, absl::Time now);
FeedMessage heartbeat_message(const Position& position, absl::Time now);
FeedMessage error_message(Problem problem);
// The first message on every connection, before anything was asked.
std::string hello_text(const ports::User& user, absl::Time now, absl::Duration heartbeat);

}  // namespace renderyard::gateway
