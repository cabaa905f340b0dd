#include "cli/jobs_commands.h"

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/time/time.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "cli/http_client.h"
#include "cli/outputs.h"
#include "cli/watch.h"
#include "libs/common/base/random.h"

namespace renderyard::cli {

namespace {

namespace json = boost::json;

int fail(const absl::Status& status) {
  std::cerr << "renderyard: " << status.message() << "\n";
  return 1;
}

absl::StatusOr<std::string> read_text(const std::string& path) {
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

absl::StatusOr<std::string> read_token(const Connection& connection) {
  if (connection.token_file.empty()) {
    return absl::FailedPreconditionError("name the file with your token: --token-file or RENDERYARD_TOKEN_FILE");
  }
  auto text = read_text(connection.token_file);
  if (!text.ok()) return text.status();
  std::string token(absl::StripAsciiWhitespace(*text));
  if (token.empty() || token.find('\n') != std::string::npos) {
    return absl::FailedPreconditionError(absl::StrCat(connection.token_file, " must hold one line, the token"));
  }
  return token;
}

std::string base_url(const Connection& connection) {
  std::string base = connection.gateway;
  while (base.ends_with('/')) base.pop_back();
  return base;
}

// Everything after the connection was checked; the token is asked once.
struct Session {
  std::string gateway;
  std::string token;
  std::unique_ptr<HttpClient> http;
};

absl::StatusOr<Session> open_session(const Connection& connection) {
  auto token = read_token(connection);
  if (!token.ok()) return token.status();
  Session session;
  session.gateway = base_url(connection);
  session.token = *std::move(token);
  session.http = std::make_unique<HttpClient>(session.gateway, session.token);
  return session;
}

// Repeats while the gateway does not answer: with an Idempotency-Key that is safe, it makes no second job.
absl::StatusOr<std::string> submit_one(HttpClient& http, const std::string& body, const std::string& key) {
  absl::Status last;
  for (int attempt = 0; attempt < 6; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(absl::ToChronoMilliseconds(absl::Milliseconds(200) * (1 << attempt)));
    auto answer = http.post("/api/v1/jobs", body, {{"Idempotency-Key", key}});
    last = answer.ok() ? to_status(*answer) : answer.status();
    if (last.ok()) return std::move(answer->body);
    if (!absl::IsUnavailable(last) && !absl::IsDeadlineExceeded(last)) return last;
  }
  return last;
}

absl::StatusOr<std::int64_t> job_id(const std::string& body) {
  boost::system::error_code failed;
  const json::value value = json::parse(body, failed);
  if (!failed && value.is_object()) {
    const auto* id = value.as_object().if_contains("id");
    if (id != nullptr && id->is_int64()) return id->as_int64();
  }
  return absl::InternalError("the gateway's answer could not be understood");
}

int finish_watched(Session& session, const SubmitCommand& command, const WatchedJobs& jobs) {
  int exit_code = 0;
  for (const auto& [id, job] : jobs) {
    if (job.status != "completed") {
      std::cerr << "renderyard: job " << id << " " << job.status << (job.error.empty() ? "" : ": ") << job.error
                << "\n";
      exit_code = 1;
      continue;
    }
    if (command.out.empty()) continue;
    const auto paths = fetch_outputs(*session.http, std::to_string(id), command.out);
    if (!paths.ok()) {
      exit_code = fail(paths.status());
      continue;
    }
    for (const std::string& path : *paths) std::puts(path.c_str());
  }
  return exit_code;
}

std::string cell(const json::object& job, const char* key) {
  const auto* value = job.if_contains(key);
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? std::string(value->as_string().c_str())
                            : std::to_string(value->is_int64() ? value->as_int64() : 0);
}

}  // namespace

int submit(const Connection& connection, const SubmitCommand& command) {
  auto session = open_session(connection);
  if (!session.ok()) return fail(session.status());
  const auto file = read_text(command.file);
  if (!file.ok()) return fail(file.status());
  const auto made = make_job_bodies(*file, command.job);
  if (!made.ok()) return fail(made.status());
  if (command.job.jobs > 1 && made->seed_inputs == 0) {
    std::cerr << "renderyard: the workflow has no seed input with a number, so all " << command.job.jobs
              << " jobs ask for the same\n";
  }
  base::SplitMix random(base::kernel_seed());
  const std::string key = command.idempotency_key.value_or(random.uuid4());
  WatchedJobs jobs;
  for (std::size_t i = 0; i < made->bodies.size(); ++i) {
    const std::string own_key = made->bodies.size() == 1 ? key : absl::StrCat(key, "-", i);
    const auto answer = submit_one(*session->http, made->bodies[i], own_key);
    if (!answer.ok()) return fail(answer.status());
    const auto id = job_id(*answer);
    if (!id.ok()) return fail(id.status());
    jobs[*id];
    if (command.json) {
      std::puts(answer->c_str());
    } else {
      std::printf("job %lld submitted\n", static_cast<long long>(*id));
    }
    std::fflush(stdout);
  }
  if (!command.watch && command.out.empty()) return 0;
  const auto style = command.json                   ? WatchView::Style::kQuiet
                     : ::isatty(STDOUT_FILENO) != 0 ? WatchView::Style::kBars
                                                    : WatchView::Style::kLines;
  WatchView view(command.watch ? style : WatchView::Style::kQuiet);
  const absl::Status watched = watch(session->gateway, session->token, jobs, view);
  if (!watched.ok()) return fail(watched);
  return finish_watched(*session, command, jobs);
}

int show_job(const Connection& connection, const std::string& job) {
  auto session = open_session(connection);
  if (!session.ok()) return fail(session.status());
  const auto answer = session->http->get("/api/v1/jobs/" + job);
  if (!answer.ok()) return fail(answer.status());
  const absl::Status status = to_status(*answer);
  if (!status.ok()) return fail(status);
  std::puts(answer->body.c_str());
  return 0;
}

int list_jobs(const Connection& connection, const std::string& status, int limit, bool as_json) {
  auto session = open_session(connection);
  if (!session.ok()) return fail(session.status());
  std::string path = absl::StrCat("/api/v1/jobs?limit=", limit);
  if (!status.empty()) absl::StrAppend(&path, "&status=", status);
  const auto answer = session->http->get(path);
  if (!answer.ok()) return fail(answer.status());
  const absl::Status good = to_status(*answer);
  if (!good.ok()) return fail(good);
  if (as_json) {
    std::puts(answer->body.c_str());
    return 0;
  }
  boost::system::error_code failed;
  const json::value value = json::parse(answer->body, failed);
  const auto* jobs = failed || !value.is_object() ? nullptr : value.as_object().if_contains("jobs");
  if (jobs == nullptr || !jobs->is_array()) return fail(absl::InternalError("the answer could not be understood"));
  std::printf("%8s  %-10s %5s  %-18s %-24s  %s\n", "ID", "STATUS", "%", "TYPE", "SUBMITTED", "NAME");
  for (const json::value& item : jobs->as_array()) {
    if (!item.is_object()) continue;
    const json::object& job = item.as_object();
    std::printf("%8s  %-10s %5s  %-18s %-24s  %s\n", cell(job, "id").c_str(), cell(job, "status").c_str(),
                cell(job, "progress_percent").c_str(), cell(job, "job_type").c_str(), cell(job, "submitted_at").c_str(),
                cell(job, "name").c_str());
  }
  return 0;
}

int cancel_job(const Connection& connection, const std::string& job) {
  auto session = open_session(connection);
  if (!session.ok()) return fail(session.status());
  const auto answer = session->http->post(absl::StrCat("/api/v1/jobs/", job, "/cancel"), "");
  if (!answer.ok()) return fail(answer.status());
  const absl::Status status = to_status(*answer);
  if (!status.ok()) return fail(status);
  std::printf("job %s: the wish to cancel is recorded\n", job.c_str());
  return 0;
}

int save_outputs(const Connection& connection, const std::string& job, const std::string& directory) {
  auto session = open_session(connection);
  if (!session.ok()) return fail(session.status());
  const auto paths = fetch_outputs(*session->http, job, directory);
  if (!paths.ok()) return fail(paths.status());
  for (const std::string& path : *paths) std::puts(path.c_str());
  return 0;
}

}  // namespace renderyard::cli
