#include "libs/common/adapters/postgres/event_log.h"

#include <utility>

#include "libs/common/adapters/postgres/job_store_sql.h"
#include "libs/common/adapters/postgres/offload.h"
#include "libs/common/adapters/postgres/rows.h"

namespace renderyard::postgres {

namespace {

// 1 row: the last id drawn, 0 when none was. A sequence is not transactional: this sees draws of open transactions.
constexpr Statement kLastIssuedId = {"last_issued_id",
                                     "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM job_events_id_seq"};
// 1 row. Gives the transaction an id of its own.
constexpr Statement kFreshTransactionId = {"fresh_transaction_id", "SELECT pg_current_xact_id()::text"};
// 1 row. Not the snapshot's xmax, which is only one above the last transaction that has ended.
constexpr Statement kOldestRunning = {"oldest_running", "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"};

}  // namespace

base::Task<absl::StatusOr<std::int64_t>> EventLog::last_issued_id() {
  auto work = [](Session& session) -> absl::StatusOr<std::int64_t> {
    return session.run(kLastIssuedId).front()[0].as<std::int64_t>();
  };
  return offload<absl::StatusOr<std::int64_t>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::uint64_t>> EventLog::fresh_transaction_id() {
  auto work = [](Session& session) -> absl::StatusOr<std::uint64_t> {
    // Rolled back: nothing was written, and no commit record either.
    Transaction transaction(session);
    const std::uint64_t id = transaction.run(kFreshTransactionId).front()[0].as<std::uint64_t>();
    transaction.abort();
    return id;
  };
  return offload<absl::StatusOr<std::uint64_t>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::uint64_t>> EventLog::oldest_running_transaction_id() {
  auto work = [](Session& session) -> absl::StatusOr<std::uint64_t> {
    return session.run(kOldestRunning).front()[0].as<std::uint64_t>();
  };
  return offload<absl::StatusOr<std::uint64_t>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::JobEvent>>> EventLog::read(std::int64_t after, std::int64_t upto,
                                                                        int limit) {
  auto work = [after, upto, limit](Session& session) -> absl::StatusOr<std::vector<ports::JobEvent>> {
    std::vector<ports::JobEvent> events;
    const pqxx::result result = session.run(sql::kEvents, Params().add(after).add(upto).add(limit));
    for (const auto& columns : result) {
      Reader reader(columns);
      events.push_back(read_event(reader));
    }
    return events;
  };
  return offload<absl::StatusOr<std::vector<ports::JobEvent>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::ClusterMeta>> EventLog::cluster() {
  auto work = [](Session& session) -> absl::StatusOr<ports::ClusterMeta> {
    const pqxx::result result = session.run(sql::kCluster);
    Reader reader(result.front());
    ports::ClusterMeta meta;
    meta.epoch = reader.text();
    meta.events_floor = reader.number();
    return meta;
  };
  return offload<absl::StatusOr<ports::ClusterMeta>>(pool_, strand_, std::move(work));
}

}  // namespace renderyard::postgres
