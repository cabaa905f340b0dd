// The schema's version: applying migrations, and the check with which services refuse to start on an older or newer
// one. Calls block and map all exceptions; for main programs and tests, not for strands.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/common/adapters/postgres/conninfo.h"
#include "libs/common/adapters/postgres/migrations.h"
#include "libs/common/adapters/postgres/session.h"

namespace renderyard::postgres {

// Applies what is missing, each file once, in order, each in a transaction of its own, under an advisory lock: any
// number may run at once. Returns the names applied by this call. FAILED_PRECONDITION: an applied file has changed
// (named), or the database is newer than `migrations`. DEADLINE_EXCEEDED: somebody else holds the lock for more than 60
// s.
absl::StatusOr<std::vector<std::string>> migrate(Session& session, const std::vector<Migration>& migrations);

// OK when exactly the migrations of this binary were applied. FAILED_PRECONDITION says which side is older, or which
// file differs. Changes nothing.
absl::Status check_schema(Session& session);
absl::Status check_schema(Session& session, const std::vector<Migration>& migrations);

// check_schema over a connection of its own; UNAVAILABLE when there is none.
absl::Status check_schema(const SessionOptions& options);

// After a restore or a failover to a lagging replica: positions handed out before become invalid. Returns the new
// epoch.
absl::StatusOr<std::string> begin_new_epoch(Session& session);

// A session, or UNAVAILABLE / INVALID_ARGUMENT.
absl::StatusOr<std::unique_ptr<Session>> open_session(const SessionOptions& options);

}  // namespace renderyard::postgres
