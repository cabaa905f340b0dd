#include "libs/common/adapters/postgres/instance_store.h"

#include <utility>

#include "libs/common/adapters/postgres/instance_store_sql.h"
#include "libs/common/adapters/postgres/offload.h"
#include "libs/common/adapters/postgres/rows.h"

namespace renderyard::postgres {

namespace {

// The instance whose id `changed` returned, within the same transaction, which is then committed.
ports::InstanceRow read_and_commit(Transaction& transaction, const pqxx::result& changed) {
  const pqxx::result result = transaction.run(sql::kInstanceById, Params().add(changed.front()[0].as<std::int64_t>()));
  transaction.commit();
  Reader reader(result.front());
  return read_instance(reader);
}

}  // namespace

base::Task<absl::StatusOr<ports::InstanceRow>> InstanceStore::add(ports::NewInstance instance) {
  auto work = [instance = std::move(instance)](Session& session) -> absl::StatusOr<ports::InstanceRow> {
    Transaction transaction(session);
    const pqxx::result again = transaction.run(sql::kEnableAgain, Params().add(instance.name).add(instance.api_url));
    if (!again.empty()) return read_and_commit(transaction, again);
    const pqxx::result added = transaction.run(
        sql::kAddInstance, Params().add(instance.name).add(instance.api_url).add(instance.ws_url).add(instance.slots));
    if (!added.empty()) return read_and_commit(transaction, added);
    const pqxx::result found =
        transaction.run(sql::kConflictingInstance, Params().add(instance.name).add(instance.api_url));
    if (found.empty()) return absl::AbortedError("the name or URL was in use a moment ago; try again");
    Reader reader(found.front());
    return ports::already_exists(instance, read_instance(reader));
  };
  return offload<absl::StatusOr<ports::InstanceRow>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> InstanceStore::list() {
  auto work = [](Session& session) -> absl::StatusOr<std::vector<ports::InstanceRow>> {
    std::vector<ports::InstanceRow> rows;
    const pqxx::result result = session.run(sql::kListInstances);
    for (const auto& columns : result) {
      Reader reader(columns);
      rows.push_back(read_instance(reader));
    }
    return rows;
  };
  return offload<absl::StatusOr<std::vector<ports::InstanceRow>>>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::InstanceRow>> InstanceStore::set_enabled(std::string name, bool enabled) {
  auto work = [name = std::move(name), enabled](Session& session) -> absl::StatusOr<ports::InstanceRow> {
    Transaction transaction(session);
    const pqxx::result changed = transaction.run(sql::kSetEnabled, Params().add(name).add(enabled));
    if (changed.empty()) return absl::NotFoundError("no such instance");
    return read_and_commit(transaction, changed);
  };
  return offload<absl::StatusOr<ports::InstanceRow>>(pool_, strand_, std::move(work));
}

}  // namespace renderyard::postgres
