// Session: one connection with its prepared statements. One statement by run() is one transaction and one round trip
// (autocommit); Transaction is for the few places that need a second snapshot.
// Thread-safety: none, one thread at a time. Everything throws libpqxx's exceptions; errors.h maps them.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "libs/common/adapters/postgres/params.h"
#include "libs/common/adapters/postgres/pqxx_shim.h"

namespace renderyard::postgres {

// A named constant of a *_sql.h file. The name is the prepared statement's.
struct Statement {
  const char* name;
  const char* sql;
};

class Session {
 public:
  explicit Session(const std::string& conninfo);

  pqxx::result run(const Statement& statement, const Params& params = {});
  // Plain text without parameters (LISTEN, DDL); autocommit.
  pqxx::result run_text(const std::string& sql);

  // False when the server has closed the connection while it was idle: nothing was in flight, a new one may take over
  // without any doubt.
  bool usable();
  pqxx::connection& connection() { return connection_; }

 private:
  friend class Transaction;
  void prepare(const Statement& statement);

  pqxx::connection connection_;
  std::set<std::string> prepared_;
};

// READ COMMITTED, rolled back unless commit() is called.
class Transaction {
 public:
  explicit Transaction(Session& session) : session_(session), work_(session.connection_) {}
  pqxx::result run(const Statement& statement, const Params& params = {});
  pqxx::result run_text(const std::string& sql) { return work_.exec(sql); }
  void commit() { work_.commit(); }
  void abort() { work_.abort(); }

 private:
  Session& session_;
  pqxx::work work_;
};

}  // namespace renderyard::postgres
