#include "libs/common/adapters/postgres/session.h"

#include <poll.h>

namespace renderyard::postgres {

namespace {

bool readable(int fd) {
  pollfd poll_fd{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&poll_fd, 1, 0) > 0;
}

}  // namespace

Session::Session(const std::string& conninfo) : connection_(conninfo) {
  shim::refuse_reactivation(connection_);
}

void Session::prepare(const Statement& statement) {
  if (prepared_.contains(statement.name)) return;
  connection_.prepare(statement.name, statement.sql);
  prepared_.insert(statement.name);
}

pqxx::result Session::run(const Statement& statement, const Params& params) {
  prepare(statement);
  pqxx::nontransaction autocommit(connection_);
  return shim::exec_prepared(autocommit, statement.name, params.pointers());
}

pqxx::result Session::run_text(const std::string& sql) {
  pqxx::nontransaction autocommit(connection_);
  return autocommit.exec(sql);
}

bool Session::usable() {
  if (!connection_.is_open()) return false;
  const int fd = connection_.sock();
  if (!readable(fd)) return true;
  // A notice, a changed parameter, or the server's farewell.
  try {
    connection_.get_notifs();
  } catch (const std::exception&) {
    return false;
  }
  return connection_.is_open() && !readable(fd);
}

pqxx::result Transaction::run(const Statement& statement, const Params& params) {
  session_.prepare(statement);
  return shim::exec_prepared(work_, statement.name, params.pointers());
}

}  // namespace renderyard::postgres
