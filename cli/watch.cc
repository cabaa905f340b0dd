#include "cli/watch.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "cli/feed_client.h"

namespace renderyard::cli {

namespace {

namespace json = boost::json;

constexpr std::size_t kMaxListed = 1000;  // the gateway's bound for a list of ids
constexpr int kMaxBars = 20;

std::string text_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(json::string_view(key.data(), key.size()));
  return value != nullptr && value->is_string() ? std::string(value->as_string().c_str()) : std::string();
}

std::int64_t number_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(json::string_view(key.data(), key.size()));
  return value != nullptr && value->is_int64() ? value->as_int64() : 0;
}

bool flag_of(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(json::string_view(key.data(), key.size()));
  return value != nullptr && value->is_bool() && value->as_bool();
}

std::string error_of(const json::object& object) {
  const auto* error = object.if_contains("error");
  if (error == nullptr || !error->is_object()) return {};
  const json::object& fields = error->as_object();
  std::string out = absl::StrCat(text_of(fields, "code"), ": ", text_of(fields, "message"));
  const std::string node = text_of(fields, "node_id");
  if (!node.empty()) absl::StrAppend(&out, " (node ", node, " ", text_of(fields, "node_class"), ")");
  return out;
}

void apply_row(const json::object& row, WatchedJobs& jobs, FeedStep& step) {
  const auto found = jobs.find(number_of(row, "id"));
  if (found == jobs.end()) return;
  WatchedJob& job = found->second;
  job.status = text_of(row, "status");
  job.percent = std::max(job.percent, static_cast<int>(number_of(row, "progress_percent")));
  if (job.status == "completed") job.percent = 100;
  job.waiting_reason = text_of(row, "waiting_reason");
  if (job.status == "failed") job.error = error_of(row);
  step.changed.push_back(found->first);
}

void apply_progress(const json::object& message, WatchedJob& job) {
  job.percent = std::max(job.percent, static_cast<int>(number_of(message, "percent")));
  const std::string node = text_of(message, "current_node");
  const std::string node_class = text_of(message, "node_class");
  const std::string title = text_of(message, "node_title");
  job.node = title.empty() ? node_class : title;
  if (!title.empty() && !node_class.empty() && title != node_class) absl::StrAppend(&job.node, " · ", node_class);
  if (!node.empty()) absl::StrAppend(&job.node, " #", node);
}

// What a lifecycle event says about the state; empty: nothing.
std::string_view status_after(std::string_view type) {
  if (type == "job_started") return "running";
  if (type == "job_completed") return "completed";
  if (type == "job_failed") return "failed";
  if (type == "job_cancelled") return "cancelled";
  if (type == "job_submitted" || type == "job_requeued" || type == "job_claimed") return "pending";
  return {};
}

void apply_event(std::string_view type, const json::object& message, WatchedJob& job) {
  if (job.final()) return;
  const std::string_view status = status_after(type);
  if (!status.empty()) job.status = status;
  if (status == "completed") job.percent = 100;
  if (status == "failed") job.error = error_of(message);
}

std::string line(std::int64_t id, const WatchedJob& job, bool bar) {
  std::string out = absl::StrFormat("job %d  ", id);
  if (bar) {
    constexpr int kWidth = 24;
    const int full = job.percent * kWidth / 100;
    for (int i = 0; i < kWidth; ++i) out += i < full ? "█" : "░";
    out += "  ";
  }
  absl::StrAppend(&out, absl::StrFormat("%3d %%  %s", job.percent, job.status));
  if (job.status == "running" && !job.node.empty()) absl::StrAppend(&out, "  ", job.node);
  if (job.status == "pending" && !job.waiting_reason.empty()) absl::StrAppend(&out, "  waits: ", job.waiting_reason);
  if (!job.error.empty()) absl::StrAppend(&out, "  ", job.error);
  // What servers and workflows say must not steer the terminal.
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return out;
}

std::string subscribe_text(const WatchedJobs& jobs, const std::optional<std::string>& since) {
  std::string ids = "\"own\"";
  if (jobs.size() <= kMaxListed) {
    ids = "[";
    for (const auto& [id, job] : jobs) absl::StrAppend(&ids, ids.size() > 1 ? "," : "", id);
    ids += "]";
  }
  // A position has only digits, letters and dashes.
  return absl::StrCat("{\"type\":\"subscribe\",\"jobs\":", ids, since ? ",\"since\":\"" + *since + "\"" : "", "}");
}

bool all_final(const WatchedJobs& jobs) {
  return std::all_of(jobs.begin(), jobs.end(), [](const auto& entry) { return entry.second.final(); });
}

// Reads one connection until it ends or all jobs do.
absl::Status follow(FeedClient& feed, WatchedJobs& jobs, WatchView& view, std::optional<std::string>& position) {
  absl::Status status = feed.send(subscribe_text(jobs, position));
  while (status.ok() && !all_final(jobs)) {
    const auto message = feed.receive(absl::Seconds(1));
    if (!message.ok()) return message.status();
    if (!message->has_value()) continue;
    FeedStep step = apply_message(**message, jobs);
    if (step.position) position = std::move(step.position);
    view.show(jobs, step.changed);
    if (step.error_code.empty()) continue;
    const std::string text = absl::StrCat(step.error_code, ": ", step.error_detail);
    if (step.error_code == "position_expired") {
      position.reset();
      return absl::UnavailableError(text);
    }
    const bool passing = step.error_code == "unavailable" || step.error_code == "slow_consumer";
    return passing ? absl::UnavailableError(text) : absl::FailedPreconditionError(text);
  }
  return status;
}

}  // namespace

FeedStep apply_message(std::string_view text, WatchedJobs& jobs) {
  FeedStep step;
  boost::system::error_code failed;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), failed);
  if (failed || !value.is_object()) return step;
  const json::object& message = value.as_object();
  const std::string type = text_of(message, "type");
  if (type == "error") {
    step.error_code = text_of(message, "code");
    step.error_detail = text_of(message, "detail");
    return step;
  }
  // Of a snapshot in parts only the last one closes it.
  const std::string position = text_of(message, "position");
  if (!position.empty() && !flag_of(message, "more")) step.position = position;
  if (const auto* rows = message.if_contains("jobs"); type == "snapshot" && rows != nullptr && rows->is_array()) {
    for (const json::value& row : rows->as_array()) {
      if (row.is_object()) apply_row(row.as_object(), jobs, step);
    }
    return step;
  }
  const auto found = jobs.find(number_of(message, "job_id"));
  if (found == jobs.end()) return step;
  if (type == "job_progress") {
    apply_progress(message, found->second);
  } else {
    apply_event(type, message, found->second);
  }
  step.changed.push_back(found->first);
  return step;
}

void WatchView::show(WatchedJobs& jobs, const std::vector<std::int64_t>& changed) {
  if (style_ == Style::kQuiet || changed.empty()) return;
  if (style_ == Style::kBars) {
    draw(jobs);
    return;
  }
  for (const std::int64_t id : changed) {
    WatchedJob& job = jobs[id];
    // A line per tenth, and one for every change of state (which lies outside of the tenths).
    const int step = job.final() ? 1000 : (job.status == "running" ? 100 + job.percent / 10 : 0);
    if (std::exchange(job.shown_percent, step) == step) continue;
    std::puts(line(id, job, false).c_str());
  }
  std::fflush(stdout);
}

void WatchView::draw(const WatchedJobs& jobs) {
  if (drawn_lines_ > 0) std::printf("\x1b[%dA", drawn_lines_);
  // With many jobs: those that run first, then the latest others.
  std::vector<std::int64_t> ids;
  for (const bool running : {true, false}) {
    for (const auto& [id, job] : jobs) {
      if ((job.status == "running") == running && static_cast<int>(ids.size()) < kMaxBars) ids.push_back(id);
    }
  }
  std::sort(ids.begin(), ids.end());
  int lines = 0;
  for (const std::int64_t id : ids) {
    std::printf("\x1b[2K%s\n", line(id, jobs.at(id), true).c_str());
    ++lines;
  }
  if (jobs.size() > ids.size()) {
    const auto done = std::count_if(jobs.begin(), jobs.end(), [](const auto& entry) { return entry.second.final(); });
    std::printf("\x1b[2K%d of %d jobs have ended\n", static_cast<int>(done), static_cast<int>(jobs.size()));
    ++lines;
  }
  drawn_lines_ = lines;
  std::fflush(stdout);
}

void WatchView::finish(const WatchedJobs& jobs) {
  if (style_ == Style::kBars) draw(jobs);
  drawn_lines_ = 0;
}

absl::Status watch(const std::string& gateway, const std::string& token, WatchedJobs& jobs, WatchView& view) {
  std::optional<std::string> position;
  absl::Duration pause = absl::Milliseconds(200);
  absl::Time reached = absl::Now();
  while (!all_final(jobs)) {
    auto feed = open_feed(gateway, token);
    absl::Status status = feed.status();
    if (feed.ok()) {
      const auto before = position;
      status = follow(**feed, jobs, view, position);
      if (position != before) {
        reached = absl::Now();
        pause = absl::Milliseconds(200);
      }
    }
    if (status.ok()) continue;
    if (!absl::IsUnavailable(status) || absl::Now() - reached > absl::Minutes(5)) return status;
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(pause));
    pause = std::min(pause * 2, absl::Seconds(5));
  }
  view.finish(jobs);
  return absl::OkStatus();
}

}  // namespace renderyard::cli
