#include "libs/common/adapters/postgres/instance_store.h"

#include <utility>

#include "libs/common/adapters/postgres/execution_store_sql.h"
#include "libs/common/adapters/postgres/instance_store_sql.h"
#include "libs/common/adapters/postgres/offload.h"
#include "libs/common/adapters/postgres/rows.h"
#include "libs/common/base/status_macros.h"

namespace renderyard::postgres {

namespace {

// The instance as it is within the same transaction, which is then committed.
ports::InstanceRow read_and_commit(Transaction& transaction, std::int64_t id) {
  const pqxx::result result = transaction.run(sql::kInstanceById, Params().add(id));
  transaction.commit();
  Reader reader(result.front());
  return read_instance(reader);
}
// The one whose id `changed` returned.
ports::InstanceRow read_and_commit(Transaction& transaction, const pqxx::result& changed) {
  return read_and_commit(transaction, changed.front()[0].as<std::int64_t>());
}

using Row = absl::StatusOr<ports::InstanceRow>;

void set_access(Transaction& transaction, std::int64_t id, const std::vector<ports::SecretHeader>& headers) {
  transaction.run(sql::kForgetAccess, Params().add(id));
  if (headers.empty()) return;
  std::vector<std::string> names, values;
  for (const ports::SecretHeader& header : headers) {
    names.push_back(header.name);
    values.push_back(header.value);
  }
  transaction.run(sql::kSetAccess, Params().add(id).array(names).array(values));
}

// Free slots that are too many, now; those in use go later (kDropSlots with every renewal of the lease).
void fit_slots(Transaction& transaction, std::int64_t id) {
  transaction.run(sql::kGrowSlots, Params().add(id));
  transaction.run(sql::kDropSlots, Params().array(std::vector<std::int64_t>{id}));
}

// Why this name and URL cannot be had.
absl::Status conflict(Transaction& transaction, const ports::NewInstance& wanted) {
  const pqxx::result found = transaction.run(sql::kConflictingInstance, Params().add(wanted.name).add(wanted.api_url));
  if (found.empty()) return absl::AbortedError("the name or URL was in use a moment ago; try again");
  Reader reader(found.front());
  return ports::already_exists(wanted, read_instance(reader));
}

// The instance of this name at another address; the old one is removed.
absl::StatusOr<std::int64_t> move(Transaction& transaction, std::int64_t old_id, bool has_access,
                                  const std::string& name, const ports::InstanceChange& change) {
  if (has_access && !change.headers) return ports::access_is_not_carried_over();
  if (!transaction.run(sql::kStillFollowed, Params().add(*change.api_url)).empty()) {
    return ports::still_followed(*change.api_url);
  }
  transaction.run(sql::kRemoveInstance, Params().add(name));
  const pqxx::result added =
      transaction.run(sql::kMoveInstance, Params().add(old_id).add(*change.api_url).add(change.ws_url.value_or("")));
  if (added.empty()) {
    ports::NewInstance wanted;
    wanted.api_url = *change.api_url;
    return conflict(transaction, wanted);
  }
  transaction.run(sql::kForgetRemovedAccess, Params().array(std::vector<std::int64_t>{old_id}));
  return added.front()[0].as<std::int64_t>();
}

}  // namespace

base::Task<Row> InstanceStore::add(ports::NewInstance instance) {
  auto work = [instance = std::move(instance)](Session& session) -> Row {
    Transaction transaction(session);
    const pqxx::result again = transaction.run(sql::kEnableAgain, Params().add(instance.name).add(instance.api_url));
    if (!again.empty()) return read_and_commit(transaction, again);
    if (!transaction.run(sql::kStillFollowed, Params().add(instance.api_url)).empty()) {
      return ports::still_followed(instance.api_url);
    }
    const Params params = Params().add(instance.name).add(instance.api_url).add(instance.ws_url).add(instance.slots);
    const pqxx::result added = transaction.run(
        sql::kAddInstance,
        Params(params).add(instance.behind_proxy).add(instance.unique_prefix).add(instance.shared_instance));
    if (added.empty()) return conflict(transaction, instance);
    const auto id = added.front()[0].as<std::int64_t>();
    fit_slots(transaction, id);
    set_access(transaction, id, instance.headers);
    return read_and_commit(transaction, added);
  };
  return offload<Row>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::vector<ports::InstanceRow>>> InstanceStore::list(bool with_removed) {
  auto work = [with_removed](Session& session) -> absl::StatusOr<std::vector<ports::InstanceRow>> {
    std::vector<ports::InstanceRow> rows;
    const pqxx::result result = session.run(sql::kListInstances, Params().add(with_removed));
    for (const auto& columns : result) {
      Reader reader(columns);
      rows.push_back(read_instance(reader));
    }
    return rows;
  };
  return offload<absl::StatusOr<std::vector<ports::InstanceRow>>>(pool_, strand_, std::move(work));
}

base::Task<Row> InstanceStore::get(std::string name) {
  auto work = [name = std::move(name)](Session& session) -> Row {
    const pqxx::result result = session.run(sql::kInstanceByName, Params().add(name));
    if (result.empty()) return absl::NotFoundError("no such instance");
    Reader reader(result.front());
    return read_instance(reader);
  };
  return offload<Row>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<std::optional<ports::KnownCapabilities>>> InstanceStore::capabilities(ports::InstanceId id) {
  using Result = absl::StatusOr<std::optional<ports::KnownCapabilities>>;
  auto work = [id](Session& session) -> Result {
    const pqxx::result result = session.run(sql::kCapabilities, Params().add(id));
    if (result.empty()) return std::nullopt;
    Reader reader(result.front());
    ports::KnownCapabilities known;
    known.digest = reader.text();
    known.what.comfyui_version = reader.text();
    const std::string devices = reader.text();
    const std::string classes = reader.text();
    const std::string models = reader.text();
    RETURN_IF_ERROR(domain::read_stored_capabilities(classes, models, devices, known.what));
    known.what.complete = reader.boolean();
    known.read_at = reader.time();
    return known;
  };
  return offload<Result>(pool_, strand_, std::move(work));
}

base::Task<Row> InstanceStore::change(std::string name, ports::InstanceChange change) {
  auto work = [name = std::move(name), change = std::move(change)](Session& session) -> Row {
    Transaction transaction(session);
    const pqxx::result locked = transaction.run(sql::kLockInstance, Params().add(name));
    if (locked.empty()) return absl::NotFoundError("no such instance");
    auto id = locked.front()[0].as<std::int64_t>();
    if (change.api_url && *change.api_url != locked.front()[1].c_str()) {
      ASSIGN_OR_RETURN(id, move(transaction, id, locked.front()[2].as<bool>(), name, change));
    }
    transaction.run(sql::kChangeInstance, Params()
                                              .add(id)
                                              .maybe(change.slots)
                                              .maybe(change.behind_proxy)
                                              .maybe(change.unique_prefix)
                                              .maybe(change.shared_instance));
    fit_slots(transaction, id);
    if (change.headers) set_access(transaction, id, *change.headers);
    return read_and_commit(transaction, id);
  };
  return offload<Row>(pool_, strand_, std::move(work));
}

namespace {

// A statement with $1 name and more that returns the id of the one instance it changed.
template <class... More>
Row change_one(Session& session, const Statement& statement, const std::string& name, More... more) {
  Transaction transaction(session);
  Params params = Params().add(name);
  (params.add(more), ...);
  const pqxx::result changed = transaction.run(statement, params);
  if (changed.empty()) return absl::NotFoundError("no such instance");
  return read_and_commit(transaction, changed);
}

}  // namespace

base::Task<Row> InstanceStore::set_enabled(std::string name, bool enabled) {
  auto work = [name = std::move(name), enabled](Session& session) {
    return change_one(session, sql::kSetEnabled, name, enabled);
  };
  return offload<Row>(pool_, strand_, std::move(work));
}

base::Task<Row> InstanceStore::set_draining(std::string name, bool draining) {
  auto work = [name = std::move(name), draining](Session& session) {
    return change_one(session, sql::kSetDraining, name, draining);
  };
  return offload<Row>(pool_, strand_, std::move(work));
}

base::Task<Row> InstanceStore::remove(std::string name) {
  auto work = [name = std::move(name)](Session& session) -> Row {
    Transaction transaction(session);
    const pqxx::result removed = transaction.run(sql::kRemoveInstance, Params().add(name));
    if (removed.empty()) return absl::NotFoundError("no such instance");
    const std::vector<std::int64_t> ids{removed.front()[0].as<std::int64_t>()};
    transaction.run(sql::kForgetRemovedAccess, Params().array(ids));
    return read_and_commit(transaction, removed);
  };
  return offload<Row>(pool_, strand_, std::move(work));
}

base::Task<absl::StatusOr<ports::InstanceRow>> InstanceStore::release(std::string name) {
  auto work = [name = std::move(name)](Session& session) -> absl::StatusOr<ports::InstanceRow> {
    Transaction transaction(session);
    const pqxx::result changed = transaction.run(sql::kReleaseInstance, Params().add(name));
    if (changed.empty()) return absl::NotFoundError("no such instance");
    return read_and_commit(transaction, changed);
  };
  return offload<absl::StatusOr<ports::InstanceRow>>(pool_, strand_, std::move(work));
}

}  // namespace renderyard::postgres
