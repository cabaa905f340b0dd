#include "services/api-gateway/http/api.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "libs/common/domain/error_code.h"
#include "services/api-gateway/http/query.h"
#include "services/api-gateway/json_writer.h"

namespace renderyard::gateway::http {

namespace {

namespace code = domain::code;

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kProblemJson = "application/problem+json";
constexpr std::string_view kJobsPath = "/api/v1/jobs";

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> parts;
  std::size_t begin = 1;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    parts.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

struct Endpoint {
  std::string_view method;
  Route::Kind kind;
};

// What can be done at a path; empty when there is no such path.
std::vector<Endpoint> endpoints(const std::vector<std::string>& parts) {
  using Kind = Route::Kind;
  if (parts.size() == 1 && parts[0] == "healthz") return {{"GET", Kind::kHealth}};
  if (parts.size() < 3 || parts[0] != "api" || parts[1] != "v1") return {};
  if (parts.size() == 3 && parts[2] == "ws") return {{"GET", Kind::kFeed}};
  if (parts[2] != "jobs") return {};
  if (parts.size() == 3) return {{"GET", Kind::kList}, {"POST", Kind::kSubmit}};
  if (parts[3].empty()) return {};
  if (parts.size() == 4) return {{"GET", Kind::kJob}};
  if (parts.size() == 5 && parts[4] == "cancel") return {{"POST", Kind::kCancel}};
  if (parts.size() == 5 && parts[4] == "outputs") return {{"GET", Kind::kOutputs}};
  if (parts.size() == 6 && parts[4] == "outputs" && !parts[5].empty()) return {{"GET", Kind::kOutput}};
  return {};
}

Response json_response(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = kJson;
  response.body = std::move(body);
  return response;
}

Response answer_json(Answer<std::string> answer) {
  if (!answer.ok()) return problem_response(answer.problem());
  return json_response(200, *std::move(answer));
}

bool shown_in_place(std::string_view content_type) {
  // Never HTML or SVG: they would run as pages of the gateway's own origin.
  if (content_type.starts_with("image/")) return content_type != "image/svg+xml";
  return content_type.starts_with("video/") || content_type.starts_with("audio/");
}

bool is_header_text(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// RFC 6266: a plain name for old readers, the true one beside it.
std::string content_disposition(std::string_view content_type, std::string_view filename) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string plain;
  std::string encoded;
  for (const char c : filename) {
    const auto byte = static_cast<unsigned char>(c);
    const bool word = std::isalnum(byte) != 0 || c == '.' || c == '_' || c == '-';
    plain += word || c == ' ' ? c : '_';
    if (word) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  if (plain.empty()) plain = encoded = "output";
  return absl::StrCat(shown_in_place(content_type) ? "inline" : "attachment", "; filename=\"", plain,
                      "\"; filename*=UTF-8''", encoded);
}

base::Task<Response> submit(Gateway& gateway, ports::User user, Request request) {
  auto answer = co_await gateway.submit(std::move(user), std::move(request.body), std::move(request.idempotency_key));
  if (!answer.ok()) co_return problem_response(answer.problem());
  Response response = json_response(201, std::move(answer->body));
  response.headers.emplace_back("Location", absl::StrCat(std::string(kJobsPath), "/", answer->id.value));
  if (answer->replayed) response.headers.emplace_back("Idempotency-Replayed", "true");
  co_return response;
}

base::Task<Response> list(Gateway& gateway, ports::User user, std::string query) {
  auto request = parse_list_query(query);
  if (!request.ok()) co_return problem_response(request.problem());
  const ListRequest wanted = *request;
  auto answer = co_await gateway.list(std::move(user), wanted);
  co_return answer_json(std::move(answer));
}

base::Task<Response> cancel(Gateway& gateway, ports::User user, JobRef job) {
  const auto answer = co_await gateway.cancel(std::move(user), std::move(job));
  if (!answer.ok()) co_return problem_response(answer.problem());
  Response response;
  response.status = 204;
  co_return response;
}

base::Task<Response> output(Gateway& gateway, ports::User user, JobRef job, std::string number, Request request) {
  int n = 0;
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), n);
  if (parsed.ec != std::errc() || parsed.ptr != number.data() + number.size() || n < 0) {
    co_return problem_response(make_problem(code::kNotFound, "outputs are numbered 0, 1, 2, …"));
  }
  auto answer = co_await gateway.open_output(std::move(user), std::move(job), n);
  if (!answer.ok()) co_return problem_response(answer.problem());
  const ports::OutputRow& row = answer->row;
  Response response;
  const std::string etag = absl::StrCat("\"", row.sha256, "\"");
  response.headers.emplace_back("ETag", etag);
  response.headers.emplace_back("Cache-Control", "private, max-age=31536000, immutable");
  if (request.if_none_match == etag) {
    response.status = 304;
    co_return response;
  }
  const std::string type = is_header_text(row.content_type) ? row.content_type : "application/octet-stream";
  response.headers.emplace_back("Content-Disposition", content_disposition(type, row.filename));
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.content_type = type;
  response.blob_size = answer->blob->size_bytes();
  response.blob = std::move(answer->blob);
  co_return response;
}

}  // namespace

Answer<Route> match_route(std::string_view method, std::string_view target) {
  const auto question = target.find('?');
  const std::string_view path = target.substr(0, question);
  if (!path.starts_with('/')) return make_problem(code::kNotFound, "there is nothing at this address");
  const auto parts = split(path);
  const auto found = endpoints(parts);
  if (found.empty()) return make_problem(code::kNotFound, "there is nothing at this address; see docs/api.md");
  if (method == "HEAD") method = "GET";
  for (const Endpoint& endpoint : found) {
    if (endpoint.method != method) continue;
    Route route;
    route.kind = endpoint.kind;
    if (parts.size() > 3) route.job = parts[3];
    if (parts.size() > 5) route.output = parts[5];
    if (question != std::string_view::npos) route.query = target.substr(question + 1);
    return route;
  }
  return make_problem(code::kMethodNotAllowed, absl::StrCat("this address takes ", allowed_methods(target)));
}

std::string allowed_methods(std::string_view target) {
  std::string out;
  if (!target.starts_with('/')) return out;
  for (const Endpoint& endpoint : endpoints(split(target.substr(0, target.find('?'))))) {
    if (!out.empty()) out += ", ";
    out += endpoint.method;
    if (endpoint.method == "GET") out += ", HEAD";
  }
  return out;
}

Response problem_response(const Problem& problem) {
  Response response;
  response.status = problem.http_status();
  response.content_type = kProblemJson;
  response.body = problem.body();
  if (response.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"renderyard\"");
  if (problem.retry_after_secs > 0) {
    response.headers.emplace_back("Retry-After", std::to_string(problem.retry_after_secs));
  }
  return response;
}

std::string bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return {};
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(authorization[i])) != kScheme[i]) return {};
  }
  const std::string_view token = authorization.substr(kScheme.size());
  const auto begin = token.find_first_not_of(' ');
  return begin == std::string_view::npos ? std::string() : std::string(token.substr(begin));
}

namespace {

// Comma separated tokens without the space around them.
std::vector<std::string_view> protocols(std::string_view header) {
  std::vector<std::string_view> out;
  while (!header.empty()) {
    const auto comma = header.find(',');
    std::string_view part = header.substr(0, comma);
    header = comma == std::string_view::npos ? std::string_view() : header.substr(comma + 1);
    const auto begin = part.find_first_not_of(" \t");
    if (begin == std::string_view::npos) continue;
    out.push_back(part.substr(begin, part.find_last_not_of(" \t") - begin + 1));
  }
  return out;
}

}  // namespace

std::string protocol_token(std::string_view sec_websocket_protocol) {
  constexpr std::string_view kPrefix = "bearer.";
  for (const std::string_view protocol : protocols(sec_websocket_protocol)) {
    if (protocol.starts_with(kPrefix)) return std::string(protocol.substr(kPrefix.size()));
  }
  return {};
}

bool offers_renderyard_protocol(std::string_view sec_websocket_protocol) {
  const auto offered = protocols(sec_websocket_protocol);
  return std::find(offered.begin(), offered.end(), "renderyard") != offered.end();
}

base::Task<Response> handle(Gateway& gateway, Route route, const ports::User* user, Request request) {
  if (route.kind == Route::Kind::kHealth) co_return json_response(200, gateway.health());
  if (route.kind == Route::Kind::kSubmit) co_return co_await submit(gateway, *user, std::move(request));
  if (route.kind == Route::Kind::kList) co_return co_await list(gateway, *user, std::move(route.query));
  auto job = parse_job_ref(route.job);
  if (!job) {
    co_return problem_response(make_problem(code::kNotFound, "a job is named by its number or its UUID"));
  }
  switch (route.kind) {
    case Route::Kind::kJob: {
      auto answer = co_await gateway.get(*user, *std::move(job));
      co_return answer_json(std::move(answer));
    }
    case Route::Kind::kOutputs: {
      auto answer = co_await gateway.outputs(*user, *std::move(job));
      co_return answer_json(std::move(answer));
    }
    case Route::Kind::kCancel:
      co_return co_await cancel(gateway, *user, *std::move(job));
    case Route::Kind::kOutput:
      co_return co_await output(gateway, *user, *std::move(job), std::move(route.output), std::move(request));
    default:
      co_return problem_response(make_problem(code::kNotFound, "there is nothing at this address"));
  }
}

}  // namespace renderyard::gateway::http
