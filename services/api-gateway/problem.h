// What a caller is told when something is refused: the stable code, a sentence that names the field and the remedy, and
// the field's path. Becomes a problem+json body (RFC 9457) over HTTP and an `error` message over WebSocket. Pure
// values.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace renderyard::gateway {

struct Problem {
  std::string code;          // domain::code::…
  std::string detail;        // for people; without secrets
  std::string field;         // path in the body, query parameter or header; empty when none is to blame
  int retry_after_secs = 0;  // 0 = not said

  int http_status() const;
  // {"type","title","status","code","detail","field"?}
  std::string body() const;
  // Of a WebSocket that ends with this: 4000 + the HTTP status (4401, 4408 slow_consumer, 4410 position_expired, …).
  int close_code() const { return 4000 + http_status(); }
};

Problem make_problem(std::string_view code, std::string detail, std::string_view field = {});

// A domain error text of the form "code: sentence".
Problem problem_from_coded(const absl::Status& status, std::string_view field);

// A value or why there is none.
template <class T>
class Answer {
 public:
  Answer(T value) : content_(std::move(value)) {}            // NOLINT(google-explicit-constructor)
  Answer(Problem problem) : content_(std::move(problem)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return content_.index() == 0; }
  T& operator*() & { return std::get<0>(content_); }
  T&& operator*() && { return std::get<0>(std::move(content_)); }
  const T& operator*() const& { return std::get<0>(content_); }
  T* operator->() { return &std::get<0>(content_); }
  const T* operator->() const { return &std::get<0>(content_); }
  const Problem& problem() const& { return std::get<1>(content_); }
  Problem&& problem() && { return std::get<1>(std::move(content_)); }

 private:
  std::variant<T, Problem> content_;
};

}  // namespace renderyard::gateway
