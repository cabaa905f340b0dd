#include "services/api-gateway/http/query.h"

#include <absl/strings/str_cat.h>

#include <charconv>

#include "libs/common/domain/error_code.h"

namespace renderyard::gateway::http {

namespace {

namespace code = domain::code;

std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      unsigned value = 0;
      if (i + 3 > text.size()) return std::nullopt;
      const auto result = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
      if (result.ptr != text.data() + i + 3) return std::nullopt;
      out += static_cast<char>(value);
      i += 2;
    }
  }
  return out;
}

std::optional<std::int64_t> number(std::string_view text, std::int64_t min, std::int64_t max) {
  std::int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  if (value < min || value > max) return std::nullopt;
  return value;
}

Problem invalid(std::string_view name, std::string_view must) {
  return make_problem(code::kInvalidField,
                      absl::StrCat("the query parameter ", std::string(name), " must be ", std::string(must)), name);
}

std::optional<Problem> read(const std::string& name, const std::string& value, ListRequest& request) {
  if (name == "status") {
    const auto status = domain::job_status_from(value);
    if (!status || *status == ports::JobStatus::kRetrying) {
      return invalid(name, "one of pending, running, completed, failed, cancelled");
    }
    request.status = *status;
    return std::nullopt;
  }
  if (name == "limit") {
    const auto limit = number(value, 1, kMaxListLimit);
    if (!limit) return invalid(name, absl::StrCat("a whole number from 1 to ", kMaxListLimit));
    request.limit = static_cast<int>(*limit);
    return std::nullopt;
  }
  if (name == "offset") {
    const auto offset = number(value, 0, kMaxListOffset);
    if (!offset)
      return invalid(name, absl::StrCat("a whole number from 0 to ", kMaxListOffset, "; further, use before"));
    request.offset = static_cast<int>(*offset);
    return std::nullopt;
  }
  if (name == "before") {
    const auto before = number(value, 1, INT64_MAX);
    if (!before) return invalid(name, "the next_cursor of an earlier page");
    request.before = ports::JobId{*before};
    return std::nullopt;
  }
  return make_problem(code::kUnknownField, "a list has the query parameters status, limit, offset and before",
                      name.substr(0, 60));
}

}  // namespace

std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view part = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (part.empty()) continue;
    const auto equals = part.find('=');
    auto name = decode(part.substr(0, equals));
    auto value = decode(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1));
    if (!name || !value) return std::nullopt;
    pairs.emplace_back(*std::move(name), *std::move(value));
  }
  return pairs;
}

Answer<ListRequest> parse_list_query(std::string_view query) {
  const auto pairs = parse_query(query);
  if (!pairs) return make_problem(code::kInvalidField, "the query string has a broken percent escape");
  ListRequest request;
  for (const auto& [name, value] : *pairs) {
    if (auto problem = read(name, value, request)) return *std::move(problem);
  }
  return request;
}

}  // namespace renderyard::gateway::http
