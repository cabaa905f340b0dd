#include "libs/common/adapters/postgres/errors.h"

#include <exception>
#include <string>

#include "libs/common/adapters/postgres/params.h"
#include "libs/common/adapters/postgres/pqxx_shim.h"

namespace renderyard::postgres {

namespace {

constexpr std::size_t kLongestMessage = 300;

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, std::min(text.find('\n'), kLongestMessage)));
}

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace

absl::Status status_of(std::string_view sqlstate, std::string_view message) {
  const std::string text = "postgres " + std::string(sqlstate) + ": " + first_line(message);
  // An empty SQLSTATE comes from libpq itself: the connection went away under the statement.
  if (sqlstate.empty()) return absl::UnavailableError("postgres: in doubt, " + first_line(message));
  if (sqlstate == "57014") return absl::DeadlineExceededError(text);
  for (const std::string_view away : {"08", "53", "57P", "40", "25P03", "55P03"}) {
    if (starts_with(sqlstate, away)) return absl::UnavailableError(text);
  }
  if (starts_with(sqlstate, "22") || sqlstate == "23514" || sqlstate == "23502")
    return absl::InvalidArgumentError(text);
  if (sqlstate == "23505") return absl::AlreadyExistsError(text);
  if (sqlstate == "23503" || sqlstate == "23001") return absl::FailedPreconditionError(text);
  return absl::InternalError(text);
}

absl::Status status_of_current_exception() {
  try {
    throw;
  } catch (const UnstorableText& e) {
    return absl::InvalidArgumentError(e.what());
  } catch (const pqxx::in_doubt_error& e) {
    return absl::UnavailableError("postgres: in doubt, the answer to COMMIT was lost");
  } catch (const pqxx::broken_connection& e) {
    return absl::UnavailableError("postgres: in doubt, " + first_line(e.what()));
  } catch (const pqxx::sql_error& e) {
    return status_of(e.sqlstate(), e.what());
  } catch (const pqxx::statement_completion_unknown& e) {
    return absl::UnavailableError("postgres: in doubt, " + first_line(e.what()));
  } catch (const pqxx::transaction_rollback& e) {
    // libpqxx 6.4 does not hand the SQLSTATE on here: serialization failure, deadlock.
    return absl::UnavailableError("postgres 40: " + first_line(e.what()));
  } catch (const std::exception& e) {
    return absl::InternalError("postgres adapter: " + first_line(e.what()));
  } catch (...) {
    return absl::InternalError("postgres adapter: unknown exception");
  }
}

absl::Status connect_status_of_current_exception() {
  try {
    throw;
  } catch (const std::exception& e) {
    return absl::UnavailableError("no connection to PostgreSQL: " + first_line(e.what()));
  } catch (...) {
    return absl::UnavailableError("no connection to PostgreSQL");
  }
}

}  // namespace renderyard::postgres
