// The one place where exceptions of libpqxx and SQLSTATEs become absl::Status.
//
//   08xxx, 57P0x, 53xxx, 25P03, 40xxx, broken connection, in doubt   UNAVAILABLE (it may have happened: look again)
//   57014 (statement_timeout)                                        DEADLINE_EXCEEDED
//   22xxx, 23502, 23514, NUL in a text                               INVALID_ARGUMENT
//   23505                                                            ALREADY_EXISTS
//   23503, 23001                                                     FAILED_PRECONDITION
//   everything else                                                  INTERNAL
// SQLSTATEs: PostgreSQL 15 documentation, appendix A.
// Messages carry the SQLSTATE and PostgreSQL's first line only: DETAIL and CONTEXT may quote what users sent.
#pragma once

#include <absl/status/status.h>

#include <string_view>

namespace renderyard::postgres {

// Call inside a catch block.
absl::Status status_of_current_exception();
// The same for an attempt to connect: UNAVAILABLE, and nothing is in doubt.
absl::Status connect_status_of_current_exception();
absl::Status status_of(std::string_view sqlstate, std::string_view message);

}  // namespace renderyard::postgres
