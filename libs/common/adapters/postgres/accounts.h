// Users and their bearer tokens, as renderyard-migrate makes them. Blocking; no exception leaves.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>

#include "libs/common/adapters/postgres/session.h"
#include "libs/common/ports/model.h"

namespace renderyard::postgres {

// The user of this name with this role; made or changed when needed.
absl::StatusOr<ports::UserId> ensure_user(Session& session, const std::string& name, ports::Role role);

// Stores a token by its hash (64 lowercase hex digits). ALREADY_EXISTS.
absl::Status add_token(Session& session, ports::UserId user, const std::string& token_sha256);

// Makes sure that `file` holds a live token of the user, as one line: a file that does is left alone, otherwise a new
// token "ry_" + 43 base64url characters (32 random bytes) is stored and the file replaced, mode 0600. True when it was
// written.
absl::StatusOr<bool> ensure_token_file(Session& session, ports::UserId user, const std::string& file);

}  // namespace renderyard::postgres
