// From what an operator gives as database URL to what a session is opened with.
#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <string>

namespace renderyard::postgres {

struct SessionOptions {
  std::string database_url;  // postgresql://… or key=value text, as libpq takes it; secrets better by PGPASSFILE
  std::string application_name = "renderyard";
  absl::Duration statement_timeout = absl::Seconds(10);  // zero = none
  std::string server_settings;                           // further "-c name=value"
};

// A key='value' text with our defaults added where the URL does not say otherwise: connect_timeout 3 s, keepalives,
// tcp_user_timeout 5 s (a dead peer is noticed), and server settings: statement_timeout,
// idle_in_transaction_session_timeout 5 s (an open transaction holds all readers of events), TimeZone UTC, generic
// plans, no JIT. INVALID_ARGUMENT when the URL cannot be read, or a
// password that was not encoded has torn it; the message never quotes it.
absl::StatusOr<std::string> session_conninfo(const SessionOptions& options);

}  // namespace renderyard::postgres
