#include "libs/common/adapters/postgres/conninfo.h"

#include <absl/strings/str_cat.h>
#include <libpq-fe.h>

#include <map>
#include <memory>
#include <string_view>

namespace renderyard::postgres {

namespace {

// libpq's conninfo syntax (PostgreSQL 15 documentation, 34.1.1.1): single quotes, backslash before quote and backslash.
std::string quoted(std::string_view value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  return text + "'";
}

// A password with '@' or '/' as it is moves the borders of a URL's parts: a piece of it becomes the host, the port or
// the database, which libpq names in its errors.
bool torn(const PQconninfoOption* options) {
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view keyword = option->keyword;
    const std::string_view value = option->val;
    if ((keyword == "host" || keyword == "dbname") && value.find('@') != std::string_view::npos) return true;
    if (keyword == "port" && value.find_first_not_of("0123456789,") != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::string> session_conninfo(const SessionOptions& options) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> given(
      PQconninfoParse(options.database_url.c_str(), &error), PQconninfoFree);
  if (error != nullptr) PQfreemem(error);  // it may quote the URL, with a password
  if (!given) return absl::InvalidArgumentError("the database URL cannot be read (see PostgreSQL 15, 34.1.1)");
  const bool url = options.database_url.starts_with("postgresql://") || options.database_url.starts_with("postgres://");
  if (url && torn(given.get())) {
    return absl::InvalidArgumentError(
        "the database URL cannot be read: write '@', '/', ':', '#', '?' and '%' in its user and password as %40, %2F, "
        "%3A, %23, %3F and %25");
  }

  std::map<std::string, std::string> values = {
      {"application_name", options.application_name},
      {"connect_timeout", "3"},
      {"keepalives", "1"},
      {"keepalives_idle", "5"},
      {"keepalives_interval", "2"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", "5000"},
  };
  std::string theirs;
  for (const PQconninfoOption* option = given.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    if (std::string_view(option->keyword) == "options") {
      theirs = option->val;
    } else {
      values[option->keyword] = option->val;
    }
  }
  // Statements are planned once, when the tables may still be empty: each of ours reaches few rows by an index, so the
  // plans that read whole tables are taken off the menu. Theirs come last and win.
  values["options"] = absl::StrCat("-c statement_timeout=", absl::ToInt64Milliseconds(options.statement_timeout),
                                   " -c idle_in_transaction_session_timeout=5000"
                                   " -c client_connection_check_interval=5000"
                                   " -c TimeZone=UTC -c DateStyle=ISO -c client_encoding=UTF8 -c jit=off"
                                   " -c plan_cache_mode=force_generic_plan"
                                   " -c enable_seqscan=off -c enable_mergejoin=off -c enable_hashjoin=off ",
                                   options.server_settings, " ", theirs);
  std::string conninfo;
  for (const auto& [key, value] : values) absl::StrAppend(&conninfo, key, "=", quoted(value), " ");
  return conninfo;
}

}  // namespace renderyard::postgres
