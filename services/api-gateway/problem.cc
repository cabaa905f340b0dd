#include "services/api-gateway/problem.h"

#include <absl/strings/str_cat.h>

#include "libs/common/domain/error_code.h"
#include "services/api-gateway/json_writer.h"

namespace renderyard::gateway {

int Problem::http_status() const {
  return domain::error_entry(code).http_status;
}

std::string Problem::body() const {
  JsonObject object;
  object.text("type", "urn:renderyard:problem:" + code);
  object.text("title", domain::error_entry(code).title);
  object.number("status", http_status());
  object.text("code", code);
  object.text("detail", detail);
  if (!field.empty()) object.text("field", field);
  return std::move(object).finish();
}

Problem make_problem(std::string_view code, std::string detail, std::string_view field) {
  Problem problem;
  problem.code = code;
  problem.detail = std::move(detail);
  problem.field = field;
  return problem;
}

Problem problem_from_coded(const absl::Status& status, std::string_view field) {
  const std::string text(status.message());
  const auto colon = text.find(": ");
  if (colon == std::string::npos) return make_problem(domain::code::kInvalidField, text, field);
  return make_problem(text.substr(0, colon), text.substr(colon + 2), field);
}

}  // namespace renderyard::gateway
