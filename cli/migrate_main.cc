// renderyard-migrate: brings the database to the schema of this build, and what only an operator may do to it: the
// first admin, a new epoch after a restore. Safe to run any number of times and by several at once. Exit codes: 0 done
// (or --check: the schema is current), 1 it could not be done (or is not current), 2 wrong usage.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "libs/common/adapters/postgres/accounts.h"
#include "libs/common/adapters/postgres/migrations.h"
#include "libs/common/adapters/postgres/schema.h"
#include "libs/common/base/status_macros.h"

namespace {

using renderyard::ports::Role;
using renderyard::postgres::Session;

struct Options {
  std::string database_url;
  std::string migrations;
  std::string admin;
  std::string user;
  std::string token_file;
  bool check = false;
  bool after_restore = false;
};

void declare(CLI::App& app, Options& options) {
  app.set_version_flag("--version", RENDERYARD_VERSION);
  app.add_option("--database-url", options.database_url,
                 "PostgreSQL, as libpq takes it; leave the password to PGPASSFILE, or give the URL by the environment")
      ->envname("RENDERYARD_DATABASE_URL")
      ->required();
  app.add_option("--migrations", options.migrations, "directory of NNNN_name.sql files instead of those built in");
  auto* admin = app.add_option("--create-admin", options.admin, "make sure that this admin exists");
  auto* user = app.add_option("--create-user", options.user, "make sure that this user exists");
  auto* file = app.add_option("--token-file", options.token_file,
                              "make sure that this file holds a live token of that admin or user (mode 0600)");
  admin->excludes(user);
  admin->needs(file);
  user->needs(file);
  auto* check = app.add_flag("--check", options.check, "change nothing; exit 0 when the schema is current, else 1");
  auto* restore =
      app.add_flag("--after-restore", options.after_restore,
                   "the database was restored or failed over to a replica that lagged: positions handed out "
                   "before become invalid");
  check->excludes(admin)->excludes(user)->excludes(restore);
}

absl::Status make_account(Session& session, const Options& options) {
  const std::string& name = options.admin.empty() ? options.user : options.admin;
  if (name.empty()) return absl::OkStatus();
  const Role role = options.admin.empty() ? Role::kUser : Role::kAdmin;
  ASSIGN_OR_RETURN(const auto id, renderyard::postgres::ensure_user(session, name, role));
  ASSIGN_OR_RETURN(const bool written, renderyard::postgres::ensure_token_file(session, id, options.token_file));
  std::printf("%s %s: token %s %s\n", role == Role::kAdmin ? "admin" : "user", name.c_str(),
              written ? "written to" : "unchanged in", options.token_file.c_str());
  return absl::OkStatus();
}

absl::Status run(const Options& options) {
  renderyard::postgres::SessionOptions session_options;
  session_options.database_url = options.database_url;
  session_options.application_name = "renderyard-migrate";
  std::vector<renderyard::postgres::Migration> migrations = renderyard::postgres::embedded_migrations();
  if (!options.migrations.empty()) {
    ASSIGN_OR_RETURN(migrations, renderyard::postgres::read_migrations(options.migrations));
  }
  ASSIGN_OR_RETURN(const auto session, renderyard::postgres::open_session(session_options));
  if (options.check) return renderyard::postgres::check_schema(*session, migrations);

  ASSIGN_OR_RETURN(const auto applied, renderyard::postgres::migrate(*session, migrations));
  for (const std::string& name : applied) std::printf("applied %s\n", name.c_str());
  std::printf("schema is at %s\n", migrations.back().name.c_str());
  if (options.after_restore) {
    ASSIGN_OR_RETURN(const std::string epoch, renderyard::postgres::begin_new_epoch(*session));
    std::printf("new epoch %s\n", epoch.c_str());
  }
  return make_account(*session, options);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Brings the database of Renderyard to the schema of this build.", "renderyard-migrate");
  Options options;
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const absl::Status status = run(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "renderyard-migrate: %s\n", std::string(status.message()).c_str());
  return 1;
}
