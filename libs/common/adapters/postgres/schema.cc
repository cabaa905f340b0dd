#include "libs/common/adapters/postgres/schema.h"

#include <memory>
#include <utility>

#include "libs/common/adapters/postgres/conninfo.h"
#include "libs/common/adapters/postgres/errors.h"
#include "libs/common/adapters/postgres/reader.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::postgres {

namespace {

struct Applied {
  int version = 0;
  std::string name;
  std::string sha256;
};

// Any number that nobody else uses: "rymigrat" in ASCII.
constexpr char kLock[] = "SELECT pg_advisory_lock(8249872283690295668)";
constexpr char kUnlock[] = "SELECT pg_advisory_unlock(8249872283690295668)";

constexpr char kMakeTable[] = R"(
CREATE TABLE IF NOT EXISTS schema_migrations (
  version    integer     PRIMARY KEY,
  name       text        NOT NULL,
  sha256     text        NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
))";
constexpr Statement kHasTable = {"has_schema_migrations", "SELECT to_regclass('schema_migrations') IS NOT NULL"};
constexpr Statement kApplied = {"applied_migrations",
                                "SELECT version, name, sha256 FROM schema_migrations ORDER BY version"};
constexpr Statement kRecord = {"record_migration",
                               "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)"};
constexpr Statement kNewEpoch = {"new_epoch", "UPDATE cluster_meta SET epoch = gen_random_uuid() RETURNING epoch"};

std::vector<Applied> read_applied(Session& session) {
  std::vector<Applied> applied;
  if (!session.run(kHasTable).front()[0].as<bool>()) return applied;
  const pqxx::result result = session.run(kApplied);
  for (const auto& columns : result) {
    Reader reader(columns);
    Applied one;
    one.version = reader.small();
    one.name = reader.text();
    one.sha256 = reader.text();
    applied.push_back(std::move(one));
  }
  return applied;
}

// What was applied must be a prefix of what we have.
absl::Status compare(const std::vector<Applied>& applied, const std::vector<Migration>& migrations) {
  for (std::size_t i = 0; i < applied.size(); ++i) {
    if (i >= migrations.size()) {
      return absl::FailedPreconditionError("the database is newer (it has " + applied[i].name +
                                           ") than this program, which ends at " + migrations.back().name);
    }
    if (applied[i].version != migrations[i].version || applied[i].sha256 != migrations[i].sha256) {
      return absl::FailedPreconditionError("migration " + migrations[i].name +
                                           " is not the file that was applied to this database (as " + applied[i].name +
                                           "): applied files must not be changed");
    }
  }
  return absl::OkStatus();
}

absl::Status apply(Session& session, const Migration& migration) {
  try {
    Transaction transaction(session);
    transaction.run_text(migration.sql);
    transaction.run(kRecord, Params().add(migration.version).add(migration.name).add(migration.sha256));
    transaction.commit();
    return absl::OkStatus();
  } catch (...) {
    const absl::Status status = status_of_current_exception();
    return absl::Status(status.code(), migration.name + ": " + std::string(status.message()));
  }
}

// Held to the end of the scope, or of the session.
class MigrationLock {
 public:
  explicit MigrationLock(Session& session) : session_(session) {
    // The time limit is for the wait; a migration itself may take long.
    session_.run_text("SET statement_timeout = '60s'");
    session_.run_text(kLock);
    session_.run_text("SET statement_timeout = 0");
  }
  ~MigrationLock() {
    try {
      session_.run_text(kUnlock);
      session_.run_text("RESET statement_timeout");
    } catch (const std::exception&) {
      // The connection is gone, and the lock with it.
    }
  }
  MigrationLock(const MigrationLock&) = delete;
  MigrationLock& operator=(const MigrationLock&) = delete;

 private:
  Session& session_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> migrate(Session& session, const std::vector<Migration>& migrations) {
  try {
    const MigrationLock lock(session);
    session.run_text("SET client_min_messages = warning");
    session.run_text(kMakeTable);
    const std::vector<Applied> applied = read_applied(session);
    RETURN_IF_ERROR(compare(applied, migrations));
    std::vector<std::string> names;
    for (std::size_t i = applied.size(); i < migrations.size(); ++i) {
      RETURN_IF_ERROR(apply(session, migrations[i]));
      names.push_back(migrations[i].name);
    }
    return names;
  } catch (...) {
    return status_of_current_exception();
  }
}

absl::Status check_schema(Session& session, const std::vector<Migration>& migrations) {
  try {
    const std::vector<Applied> applied = read_applied(session);
    RETURN_IF_ERROR(compare(applied, migrations));
    if (applied.size() == migrations.size()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "the database is older (it has " + (applied.empty() ? std::string("nothing") : applied.back().name) +
        ") than this program, which needs " + migrations.back().name + ": run renderyard-migrate");
  } catch (...) {
    return status_of_current_exception();
  }
}

absl::Status check_schema(Session& session) {
  return check_schema(session, embedded_migrations());
}

absl::Status check_schema(const SessionOptions& options) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Session> session, open_session(options));
  return check_schema(*session);
}

absl::StatusOr<std::string> begin_new_epoch(Session& session) {
  try {
    return std::string(session.run(kNewEpoch).front()[0].c_str());
  } catch (...) {
    return status_of_current_exception();
  }
}

absl::StatusOr<std::unique_ptr<Session>> open_session(const SessionOptions& options) {
  ASSIGN_OR_RETURN(const std::string conninfo, session_conninfo(options));
  try {
    return std::make_unique<Session>(conninfo);
  } catch (...) {
    return connect_status_of_current_exception();
  }
}

}  // namespace renderyard::postgres
