// The one include of libpqxx, with what differs between 6.4 (Debian 12) and 7.x behind three functions.
#pragma once

#include <string>
#include <vector>

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wdeprecated-declarations"
#include <pqxx/pqxx>

namespace renderyard::postgres::shim {

// 6.4 re-activates a lost connection silently at its next use, and with it a transaction's worth of certainty: never.
inline void refuse_reactivation([[maybe_unused]] pqxx::connection& connection) {
#if PQXX_VERSION_MAJOR < 7
  connection.inhibit_reactivation(true);
#endif
}

inline void close(pqxx::connection& connection) {
#if PQXX_VERSION_MAJOR < 7
  connection.disconnect();
#else
  connection.close();
#endif
}

// nullptr is NULL. The texts must outlive the call.
inline pqxx::result exec_prepared(pqxx::transaction_base& transaction, const std::string& name,
                                  const std::vector<const char*>& values) {
#if PQXX_VERSION_MAJOR < 7
  return transaction.exec_prepared(name, pqxx::prepare::make_dynamic_params(values));
#else
  pqxx::params params;
  for (const char* value : values) params.append(value);
  return transaction.exec_prepared(name, params);
#endif
}

}  // namespace renderyard::postgres::shim
#pragma clang diagnostic pop
