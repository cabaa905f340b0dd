// REST without a transport: routes, query parameters, status codes and headers. docs/api.md is the same for people.
// Thread-safety: on the strand of the gateway.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/common/base/task.h"
#include "services/api-gateway/gateway.h"
#include "services/api-gateway/problem.h"

namespace renderyard::gateway::http {

struct Route {
  enum class Kind { kHealth, kSubmit, kList, kJob, kCancel, kOutputs, kOutput, kFeed };
  Kind kind = Kind::kHealth;
  std::string job;     // as in the path
  std::string output;  // as in the path
  std::string query;   // without the question mark
};

// `target` as in the request line. not_found, method_not_allowed. HEAD is taken as GET.
Answer<Route> match_route(std::string_view method, std::string_view target);
// Methods of the path for the Allow header; empty when there is no such path.
std::string allowed_methods(std::string_view target);

struct Request {
  std::optional<std::string> idempotency_key;
  std::string if_none_match;
  std::string body;
};

struct Response {
  int status = 200;
  std::string content_type;  // empty: no body
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // When set it is the body, of this size.
  std::unique_ptr<ports::BlobReader> blob;
  std::int64_t blob_size = 0;
};

Response problem_response(const Problem& problem);
// The token of "Bearer <token>"; empty when there is none.
std::string bearer_token(std::string_view authorization);
// The token of "renderyard, bearer.<token>", for browsers, whose WebSockets cannot send an Authorization header.
std::string protocol_token(std::string_view sec_websocket_protocol);
bool offers_renderyard_protocol(std::string_view sec_websocket_protocol);

// Everything but kFeed. `user` is nullptr for kHealth only.
base::Task<Response> handle(Gateway& gateway, Route route, const ports::User* user, Request request);

}  // namespace renderyard::gateway::http
